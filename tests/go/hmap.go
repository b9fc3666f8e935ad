//go:build !go1.24

package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// Number is a key type that no compiled map has, so that the runtime makes its map type in memory that we may change.
type Number int64

// Hmap is a built-in map as before 1.24, which shows its memory after each operation. It hashes as we tell it.
type Hmap struct{ v reflect.Value }

// header is runtime.hmap up to nevacuate.
type header struct {
	count      int
	flags, b   uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
}

// bucket is the runtime's bucket of such keys and values.
type bucket struct {
	tophash  [8]uint8
	keys     [8]Number
	elems    [8]int64
	overflow *bucket
}

// mapType is internal/abi.MapType up to the hash function; the first array is what every type begins with.
type mapType struct {
	_                 [48]byte
	key, elem, bucket unsafe.Pointer
	hasher            func(unsafe.Pointer, uintptr) uintptr
}

var numbers = reflect.MapOf(reflect.TypeFor[Number](), reflect.TypeFor[int64]())

func init() {
	made := (*mapType)(reflect.ValueOf(numbers).UnsafePointer())
	made.hasher = func(key unsafe.Pointer, _ uintptr) uintptr { return uintptr(mixed(*(*Number)(key))) }
	kinds["map.inside"] = func() Map { return &Hmap{reflect.MakeMap(numbers)} }
}

// mixed is by Knuth's multiplication, of which the low bits choose the bucket and the top ones the tophash.
func mixed(n Number) uint64 { return uint64(n) * 0x9E3779B97F4A7C15 }

func (h *Hmap) do(words *Words, operation string, arguments []string) string {
	return h.answer(operation, arguments) + "#" + h.inside()
}

func (h *Hmap) answer(operation string, arguments []string) string {
	var v [2]reflect.Value
	for i, argument := range arguments {
		v[i] = reflect.ValueOf(int64(value(argument).(int)))
	}
	number := reflect.TypeFor[Number]()
	switch operation {
	case "load":
		if got := h.v.MapIndex(v[0].Convert(number)); got.IsValid() {
			return found(int(got.Int()), true)
		}
		return found(nil, false)
	case "store":
		h.v.SetMapIndex(v[0].Convert(number), v[1])
	case "delete":
		h.v.SetMapIndex(v[0].Convert(number), reflect.Value{})
	case "clear":
		h.v.Clear()
	case "len":
		return strconv.Itoa(h.v.Len())
	case "range":
		var pairs []string
		for it := h.v.MapRange(); it.Next(); {
			pairs = append(pairs, pair(int(it.Key().Int()), int(it.Value().Int())))
		}
		return set(pairs)
	default:
		panic("no operation of a map of numbers: " + operation)
	}
	return "-"
}

// inside is the header, the buckets, and the old ones.
func (h *Hmap) inside() string {
	m := (*header)(h.v.UnsafePointer())
	old := 1 << m.b >> 1
	if m.flags&8 != 0 {
		old = 1 << m.b
	}
	return fmt.Sprintf("%d,%d,%d,%d,%d%s%s", m.count, m.flags, m.b, m.noverflow, m.nevacuate,
		array(m.buckets, 1<<m.b), array(m.oldbuckets, old))
}

func array(at unsafe.Pointer, length int) string {
	if at == nil {
		return "nil"
	}
	var heads []string
	for _, head := range unsafe.Slice((*bucket)(at), length) {
		heads = append(heads, chain(&head))
	}
	return "[" + strings.Join(heads, "|") + "]"
}

// chain is the slots of a bucket and its overflow buckets: a mark, or the top of a hash with the key and the value.
func chain(b *bucket) string {
	if top := b.tophash[0]; 1 < top && top < 5 {
		return "evacuated"
	}
	var slots []string
	for ; b != nil; b = b.overflow {
		for i, top := range b.tophash {
			slot := strconv.Itoa(int(top))
			if top >= 5 {
				slot += fmt.Sprintf(":%d=%d", b.keys[i], b.elems[i])
			}
			slots = append(slots, slot)
		}
	}
	return strings.Join(slots, ".")
}
