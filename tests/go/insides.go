package main

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// insides names the kinds of map whose private state this Go has as we know it.
func insides() []string {
	var names []string
	if _, ok := reflect.TypeFor[sync.Map]().FieldByName("misses"); ok {
		names = append(names, "sync.old")
	}
	if trie, ok := trieOf(&sync.Map{}); ok && trie.FieldByName("keyHash").IsValid() {
		names = append(names, "sync.trie", "sync.chain", "sync.deep")
	}
	if kinds["map.inside"] != nil {
		names = append(names, "map.inside")
	}
	return names
}

// field is a private field, as one that may be read.
func field(v reflect.Value, name string) reflect.Value {
	f := v.FieldByName(name)
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

// loaded is what an atomic.Pointer of any type points to, and the pointer.
func loaded(p reflect.Value) (reflect.Value, unsafe.Pointer) {
	at := *(*unsafe.Pointer)(field(p, "v").Addr().UnsafePointer())
	pointee := p.Type().Field(0).Type.Elem() // its first field is [0]*T
	return reflect.NewAt(pointee.Elem(), at).Elem(), at
}

// -- sync.Map before 1.24

// expunged is the address that marks an entry so: learnt from a map of which we know that it has such an entry.
var expunged = sync.OnceValue(func() unsafe.Pointer {
	var m sync.Map
	m.Store(1, 1)
	m.Load(1)
	m.Delete(1)
	m.Store(2, 2)
	read, _ := loaded(field(reflect.ValueOf(&m).Elem(), "read"))
	_, at := loaded(field(field(read, "m").MapIndex(reflect.ValueOf(any(1))).Elem(), "p"))
	return at
})

// oldInside is read.m, amended, dirty and misses; a dirty entry that is not the one of read.m has a mark.
func oldInside(m *sync.Map) string {
	v := reflect.ValueOf(m).Elem()
	read, at := loaded(field(v, "read"))
	amended, readM := false, reflect.Value{}
	if at != nil {
		amended, readM = field(read, "amended").Bool(), field(read, "m")
	}
	dirty := "nil"
	if d := field(v, "dirty"); !d.IsNil() {
		dirty = entries(d, readM)
	}
	return fmt.Sprintf("%s%v%s%d", entries(readM, readM), amended, dirty, field(v, "misses").Int())
}

func entries(m, readM reflect.Value) string {
	if !m.IsValid() {
		return set(nil)
	}
	var pairs []string
	for it := m.MapRange(); it.Next(); {
		key, entry := it.Key(), it.Value()
		pairs = append(pairs, text(key.Interface())+"="+pointer(entry)+shared(key, entry, readM))
	}
	return set(pairs)
}

func pointer(entry reflect.Value) string {
	p, at := loaded(field(entry.Elem(), "p"))
	switch at {
	case nil:
		return "deleted"
	case expunged():
		return "expunged"
	}
	return text(p.Interface())
}

func shared(key, entry, readM reflect.Value) string {
	if !readM.IsValid() {
		return ""
	}
	if other := readM.MapIndex(key); other.IsValid() && other.Pointer() != entry.Pointer() {
		return "!"
	}
	return ""
}

// -- sync.Map from 1.24 on

// trieOf is the trie inside of a sync.Map, which has no other field to speak of.
func trieOf(m *sync.Map) (reflect.Value, bool) {
	v := reflect.ValueOf(m).Elem()
	if f := v.FieldByName("m"); f.IsValid() && f.Kind() == reflect.Struct {
		return field(v, "m"), true
	}
	return reflect.Value{}, false
}

// trieWith is a sync.Map that hashes by FNV-1a of the key's text, of which only the bits of mask count.
func trieWith(mask uint64) *SyncMap {
	s := &SyncMap{inside: trieInside}
	s.m.Load(nil) // makes the trie, and chooses its hash
	trie, _ := trieOf(&s.m)
	hash := func(key unsafe.Pointer, _ uintptr) uintptr { return uintptr(fnv1a(*(*any)(key)) & mask) }
	*(*func(unsafe.Pointer, uintptr) uintptr)(field(trie, "keyHash").Addr().UnsafePointer()) = hash
	return s
}

func fnv1a(key any) uint64 {
	if _, ok := key.([]int); ok {
		panic("runtime error: hash of unhashable type []int")
	}
	if key == 0.0 {
		key = 0.0 // -0.0 is the same key
	}
	h := fnv.New64a()
	h.Write([]byte(text(key)))
	return h.Sum64()
}

// trieInside is the trie: a node in brackets, its children by their numbers, chains of entries joined by dots.
func trieInside(m *sync.Map) string {
	trie, _ := trieOf(m)
	root, _ := loaded(field(trie, "root"))
	return indirect(root)
}

// entry is the layout of internal/sync.entry[any, any], whose first field says that it is no interior node.
type entry struct {
	isEntry  bool
	overflow *entry
	key, v   any
}

func indirect(v reflect.Value) string {
	var children []string
	slots := field(v, "children")
	for i := range slots.Len() {
		if _, at := loaded(slots.Index(i)); at != nil {
			children = append(children, strconv.FormatInt(int64(i), 16)+":"+child(at, v.Type()))
		}
	}
	return "[" + strings.Join(children, "|") + "]"
}

func child(at unsafe.Pointer, interior reflect.Type) string {
	e := (*entry)(at)
	if !e.isEntry {
		return indirect(reflect.NewAt(interior, at).Elem())
	}
	var chain []string
	for ; e != nil; e = e.overflow {
		chain = append(chain, pair(e.key, e.v))
	}
	return strings.Join(chain, ".")
}
