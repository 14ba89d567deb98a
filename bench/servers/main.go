// go PORT WORKERS: net/http, a goroutine for each connection; at most WORKERS of them sleep or spin at a time.
package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	calibrate   sync.Once
	roundsPerMs int
	sink        uint64
)

func burn(rounds int) (x uint64) {
	for x = 1; rounds > 0; rounds-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// Calibrated by the first request that needs it, which the bench sends before it looks at the clock.
func spin(ms int) {
	calibrate.Do(func() {
		const rounds = 10_000_000
		began := time.Now()
		sink = burn(rounds)
		roundsPerMs = int(rounds * int64(time.Millisecond) / int64(time.Since(began)))
	})
	if burn(ms*roundsPerMs) == 0 {
		panic("no xorshift ends at 0")
	}
}

func answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"message":"async power"}`)
}

func main() {
	workers, _ := strconv.Atoi(os.Args[2])
	seats := make(chan struct{}, workers)
	blocking := func(prefix string, work func(ms int)) {
		http.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
			ms, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, prefix))
			if err != nil {
				http.Error(w, "a number of milliseconds", http.StatusBadRequest)
				return
			}
			seats <- struct{}{}
			work(ms)
			<-seats
			answer(w)
		})
	}
	blocking("/sleep/", func(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) })
	blocking("/spin/", spin)
	http.HandleFunc("/dummy", func(w http.ResponseWriter, r *http.Request) { answer(w) })
	if err := http.ListenAndServe("127.0.0.1:"+os.Args[1], nil); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
