package main

import (
	"maps"
	"strconv"
	"strings"
	"sync"
)

// SyncMap is Go's sync.Map; inside, if there is one, shows its private state after each operation.
type SyncMap struct {
	m      sync.Map
	inside func(*sync.Map) string
}

func (s *SyncMap) do(words *Words, operation string, arguments []string) string {
	answer := s.answer(operation, arguments)
	if s.inside != nil {
		answer += "#" + s.inside(&s.m)
	}
	return answer
}

func (s *SyncMap) answer(operation string, arguments []string) string {
	var v [3]any
	for i, argument := range arguments {
		v[i] = value(argument)
	}
	switch operation {
	case "load":
		return found(s.m.Load(v[0]))
	case "store":
		s.m.Store(v[0], v[1])
	case "load_or_store":
		return found(s.m.LoadOrStore(v[0], v[1]))
	case "load_and_delete":
		return found(s.m.LoadAndDelete(v[0]))
	case "delete":
		s.m.Delete(v[0])
	case "swap":
		return found(s.m.Swap(v[0], v[1]))
	case "compare_and_swap":
		return strconv.FormatBool(s.m.CompareAndSwap(v[0], v[1], v[2]))
	case "compare_and_delete":
		return strconv.FormatBool(s.m.CompareAndDelete(v[0], v[1]))
	case "clear":
		s.m.Clear()
	case "range":
		var pairs []string
		s.m.Range(func(key, v any) bool {
			pairs = append(pairs, pair(key, v))
			return true
		})
		return set(pairs)
	case "range_until":
		calls, limit := 0, v[0].(int)
		s.m.Range(func(key, v any) bool {
			calls++
			return calls < limit
		})
		return strconv.Itoa(calls)
	case "range_and_delete":
		var pairs []string
		s.m.Range(func(key, v any) bool {
			pairs = append(pairs, pair(key, v))
			s.m.Delete(key)
			return true
		})
		return set(pairs)
	default:
		panic("no operation of sync.Map: " + operation)
	}
	return "-"
}

// Builtin is Go's built-in map.
type Builtin[K comparable] struct{ m map[K]any }

func (b *Builtin[K]) do(words *Words, operation string, arguments []string) string {
	switch operation {
	case "load":
		v, ok := b.m[key[K](arguments[0])]
		return found(v, ok)
	case "store":
		b.m[key[K](arguments[0])] = value(arguments[1])
	case "delete":
		delete(b.m, key[K](arguments[0]))
	case "clear":
		clear(b.m)
	case "len":
		return strconv.Itoa(len(b.m))
	case "clone":
		b.m = maps.Clone(b.m)
	case "range":
		var pairs []string
		for k, v := range b.m {
			pairs = append(pairs, pair(k, v))
		}
		return set(pairs)
	case "walk":
		return b.walk(words, number(arguments[0]))
	default:
		panic("no operation of a map: " + operation)
	}
	return "-"
}

// walk iterates, and does so many of the words between two steps; what is left of them, at the end. The answer is
// the pairs in the order in which they came.
func (b *Builtin[K]) walk(words *Words, changes int) string {
	var came []string
	change := func() bool {
		if words.left[0] == "end" {
			return false
		}
		one(b, words)
		return true
	}
	for k, v := range b.m {
		came = append(came, pair(k, v))
		for i := 0; i < changes && change(); i++ {
		}
	}
	for change() {
	}
	words.next()
	return "[" + strings.Join(came, "|") + "]"
}

// key is a value as a key: of an interface type it may be nil, which a type assertion refuses.
func key[K comparable](text string) K {
	k, _ := value(text).(K)
	return k
}
