// SPDX-License-Identifier: BSD-2-Clause
// peers.go - the same benchmarks on goroutines: peers NAME [ms=N] [count=N]; rows as in ../micro/bench.h
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	ms    = 100
	count = 1000000
)

func row(metric string, value float64, unit string) {
	fmt.Printf("%s\t%.6g\t%s\n", metric, value, unit)
}

func ok(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// each is bench_each() of ../micro/bench.h.
func each(round func(n int)) float64 {
	before := time.Duration(0)
	for n := 64; ; n *= 2 {
		start := time.Now()
		round(n)
		took := time.Since(start)
		if took >= time.Duration(ms)*time.Millisecond && took/4 <= before {
			return float64(took.Nanoseconds()) / float64(n)
		}
		before = took
	}
}

// both runs two sides and waits for them.
func both(side func(me int)) {
	var done sync.WaitGroup
	done.Add(2)
	for i := 0; i < 2; i++ {
		go func(me int) {
			side(me)
			done.Done()
		}(i)
	}
	done.Wait()
}

func yield() {
	const ring = 8
	switches, running, yields := 0, -1, 0
	ns := each(func(n int) {
		var done sync.WaitGroup
		switches, running, yields = 0, -1, n
		done.Add(ring)
		for i := 0; i < ring; i++ {
			go func(me int) {
				for i := 0; i < n/ring; i++ {
					if running != me {
						running = me
						switches++
					}
					runtime.Gosched()
				}
				done.Done()
			}(i)
		}
		done.Wait()
	})
	row("per switch", ns*float64(yields)/float64(switches), "ns")
	row("yields that switched", 100*float64(switches)/float64(yields), "%")
}

func create() {
	var done sync.WaitGroup
	row("create + join", each(func(n int) {
		for i := 0; i < n; i++ {
			done.Add(1)
			go done.Done()
			done.Wait()
		}
	}), "ns")
	row("create + join, 100 at a time", each(func(n int) {
		for i := 0; i < n; i++ {
			done.Add(100)
			for k := 0; k < 100; k++ {
				go done.Done()
			}
			done.Wait()
		}
	})/100, "ns")
}

func handoff() {
	var mutex sync.Mutex
	cond := sync.NewCond(&mutex)
	row("per hand-off", each(func(n int) {
		turns := n
		both(func(me int) {
			mutex.Lock()
			for {
				for turns > 0 && turns%2 != me {
					cond.Wait()
				}
				if turns == 0 {
					break
				}
				turns--
				cond.Signal()
			}
			mutex.Unlock()
		})
	}), "ns")
}

func mutex() {
	var mutex sync.Mutex
	row("lock + unlock", each(func(n int) {
		for i := 0; i < n; i++ {
			mutex.Lock()
			mutex.Unlock()
		}
	}), "ns")
}

func timer() {
	var timers [1000]*time.Timer
	random := uint64(1)
	row("start + revoke", each(func(n int) {
		for i := 0; i < n; i++ {
			for k := range timers {
				random = random*6364136223846793005 + 1442695040888963407
				timers[k] = time.NewTimer(time.Second + time.Duration(random>>33%60000)*time.Millisecond)
			}
			for k := range timers {
				if !timers[k].Stop() {
					panic("a timer fired")
				}
			}
		}
	})/1000, "ns")
}

func channel() {
	for _, room := range []int{1, 64} {
		ch := make(chan uint64, room)
		row(fmt.Sprintf("per value, room for %d", room), each(func(n int) {
			both(func(me int) {
				for i := 0; i < n; i++ {
					if me == 0 {
						ch <- uint64(i)
					} else if <-ch != uint64(i) {
						panic("a value out of order")
					}
				}
			})
		}), "ns")
	}
}

func pipe() {
	var r, w [2]*os.File
	for i := range r {
		var err error
		r[i], w[i], err = os.Pipe()
		ok(err)
	}
	row("round trip", each(func(n int) {
		both(func(me int) {
			var b [1]byte
			for i := 0; i < n; i++ {
				if me == 0 {
					_, err := w[1].Write(b[:])
					ok(err)
				}
				_, err := r[me].Read(b[:])
				ok(err)
				if me == 1 {
					_, err := w[0].Write(b[:])
					ok(err)
				}
			}
		})
	}), "ns")
}

func rss() float64 {
	status, err := os.ReadFile("/proc/self/status")
	ok(err)
	for _, line := range strings.Split(string(status), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			ok(err)
			return kb * 1024
		}
	}
	panic("no VmRSS")
}

func parked() {
	var done sync.WaitGroup
	parked, gate := 0, make(chan struct{})
	before, start := rss(), time.Now()
	done.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			parked++
			<-gate
			done.Done()
		}()
	}
	for parked < count {
		runtime.Gosched()
	}
	there, after := time.Since(start), rss()
	start = time.Now()
	close(gate)
	done.Wait()
	back := time.Since(start)
	row("threads", float64(count), "")
	row("created and parked", there.Seconds(), "s")
	row("RSS each", (after-before)/float64(count), "B")
	row("unparked and joined", back.Seconds(), "s")
}

func sleepers() {
	row("threads", float64(count), "")
	for _, metric := range []string{"last awake, cold", "last awake, warm"} {
		var done sync.WaitGroup
		start, last := time.Now(), time.Time{}
		done.Add(count)
		for i := 0; i < count; i++ {
			go func() {
				asleep := time.Now()
				time.Sleep(time.Second)
				last = time.Now()
				if last.Sub(asleep) < time.Second {
					panic("a sleeper woke too early")
				}
				done.Done()
			}()
		}
		done.Wait()
		row(metric, last.Sub(start).Seconds(), "s")
	}
}

func main() {
	runtime.GOMAXPROCS(1) // what the goroutines above share, they share without locks
	benches := map[string]func(){"yield": yield, "create": create, "handoff": handoff, "mutex": mutex,
		"timer": timer, "chan": channel, "pipe": pipe, "parked": parked, "sleepers": sleepers}
	var run func()
	for _, word := range os.Args[1:] {
		var err error
		switch name, value, _ := strings.Cut(word, "="); name {
		case "ms":
			ms, err = strconv.Atoi(value)
		case "count":
			count, err = strconv.Atoi(value)
		default:
			run = benches[name]
		}
		ok(err)
	}
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: peers NAME [ms=N] [count=N]")
		os.Exit(2)
	}
	run()
}
