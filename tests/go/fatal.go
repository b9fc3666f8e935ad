package main

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"sync"
	"time"
)

// misuse does what Go ends the process for. Everybody tries to recover from it, in vain.
func misuse(what string) {
	defer recovers()
	m := map[int]int{}
	switch what {
	case "writes":
		meeting(m, func() { m[1]++ })
	case "read":
		meeting(m, func() { _ = m[1] })
	case "iteration":
		meeting(m, func() {
			for range m {
			}
		})
	case "clone":
		meeting(m, func() { _ = maps.Clone(m) })
	case "Mutex.Unlock":
		new(sync.Mutex).Unlock()
	case "RWMutex.Unlock":
		new(sync.RWMutex).Unlock()
	case "RWMutex.RUnlock":
		new(sync.RWMutex).RUnlock()
	}
	fmt.Fprintln(os.Stderr, "nothing was noticed:", what)
}

func recovers() {
	if r := recover(); r != nil {
		fmt.Fprintln(os.Stderr, "recovered:", r)
	}
}

// meeting repeats an operation while somebody else writes to the map, for some seconds. The map does not grow, for an
// iteration that looks up a key that was moved may die as a read does.
func meeting(m map[int]int, operation func()) {
	runtime.GOMAXPROCS(4) // so that one processor suffices: the system switches threads inside of an operation, too
	end := time.Now().Add(10 * time.Second)
	repeat := func(operation func()) {
		defer recovers()
		for time.Now().Before(end) {
			operation()
		}
	}
	for i := range 1 << 12 {
		m[i] = i
	}
	go repeat(func() {
		for i := range 1 << 12 {
			m[i] = -i
		}
	})
	repeat(operation)
}
