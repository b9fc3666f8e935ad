// Asks real Go: reads sequences of map operations, a line each, and writes what Go's own maps answer, a line each.
//
// A line is a kind of map, then words. A word is an operation and its arguments, joined by commas; the answer has a
// word for each operation. Values are written as their type's first letter and their text, see value and text.
// With arguments, the program misuses a map or a lock as they say, and should not live to tell: see fatal.go.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// Map is what a sequence runs on. The answer of an operation is text without spaces.
type Map interface {
	do(words *Words, operation string, arguments []string) string
}

var kinds = map[string]func() Map{
	"sync":       func() Map { return &SyncMap{} },
	"sync.old":   func() Map { return &SyncMap{inside: oldInside} },
	"sync.trie":  func() Map { return trieWith(^uint64(0)) },
	"sync.chain": func() Map { return trieWith(0) },
	"sync.deep":  func() Map { return trieWith(0x3F) },
	"map.int":    func() Map { return &Builtin[int]{m: map[int]any{}} },
	"map.string": func() Map { return &Builtin[string]{m: map[string]any{}} },
	"map.float":  func() Map { return &Builtin[float64]{m: map[float64]any{}} },
	"map.any":    func() Map { return &Builtin[any]{m: map[any]any{}} },
	"map.nil":    func() Map { return &Builtin[any]{} },
}

func main() {
	if len(os.Args) > 1 {
		misuse(os.Args[1])
		return
	}
	lines := bufio.NewReaderSize(os.Stdin, 1<<16)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	fmt.Fprintln(out, runtime.Version(), strings.Join(insides(), " "))
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return
		}
		words := &Words{left: strings.Fields(line)}
		m := kinds[words.next()]()
		var answers []string
		for len(words.left) > 0 {
			answers = append(answers, one(m, words))
		}
		fmt.Fprintln(out, strings.Join(answers, " "))
	}
}

// Words are what is left of a line; an operation may take more than its own.
type Words struct{ left []string }

func (words *Words) next() string {
	word := words.left[0]
	words.left = words.left[1:]
	return word
}

// one does the next operation. A panic is an answer, too.
func one(m Map, words *Words) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = "panic:" + strings.ReplaceAll(fmt.Sprint(r), " ", "_")
			if strings.Contains(answer, "unhashable") {
				answer = "panic:unhashable" // the words differ between releases
			}
		}
	}()
	fields := strings.Split(words.next(), ",")
	return m.do(words, fields[0], fields[1:])
}

// value reads what text writes.
func value(text string) any {
	rest := text[1:]
	switch text[0] {
	case 'n':
		return nil
	case 'i':
		return number(rest)
	case 's':
		return rest
	case 'f':
		v, err := strconv.ParseFloat(rest, 64)
		check(err)
		return v
	case 't':
		first, second, _ := strings.Cut(rest, ":")
		return [2]int{number(first), number(second)}
	case 'u':
		return []int{}
	}
	panic("no value: " + text)
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "n"
	case int:
		return "i" + strconv.Itoa(v)
	case string:
		return "s" + v
	case float64:
		if math.IsInf(v, 1) {
			return "finf"
		}
		return "f" + strings.ToLower(strconv.FormatFloat(v, 'f', 1, 64))
	case [2]int:
		return fmt.Sprintf("t%d:%d", v[0], v[1])
	}
	panic(fmt.Sprintf("no text for a %T", v))
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func found(v any, ok bool) string { return text(v) + "," + strconv.FormatBool(ok) }

func pair(key, v any) string { return text(key) + "=" + text(v) }

func set(pairs []string) string {
	sort.Strings(pairs)
	return "{" + strings.Join(pairs, "|") + "}"
}
