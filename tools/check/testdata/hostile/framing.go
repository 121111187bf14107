// Package framing stands in for labs/05/framing.go in the tests of the engine: answers that do
// harm. The environment variable HOSTILE says which.
package framing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

var hostile = os.Getenv("HOSTILE")

// output is a file of its own on the descriptor, and kept: the collector would close it.
var output = os.NewFile(1, "")

func init() {
	switch hostile {
	case "junk in the results":
		if name := os.Getenv("SOCKETBOOK_RESULTS"); name != "" { // the worker has no such variable
			forge(name)
		}
	case "init starts a goroutine":
		go func() { select {} }()
	}
}

func forge(name string) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprint(f, "junk\n{\"lab\":\"05\",\"ca")
}

var (
	kept  []*os.File
	total int
)

func WriteMessage(w io.Writer, payload []byte) error {
	if hostile == "write not started" {
		panic("not started")
	}
	if hostile == "nothing is right" {
		return nil
	}
	for hostile == "writes forever" {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
	}
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	n, err := w.Write(message)
	if err == nil && n < len(message) {
		err = io.ErrShortWrite
	}
	return err
}

func ReadMessage(r io.Reader, limit int) ([]byte, error) {
	switch hostile {
	case "junk on the worker's output":
		output.Write([]byte("noise {\"step\":1}\n[1,2"))
	case "closes every descriptor":
		for fd := range 200 {
			os.NewFile(uintptr(fd), "").Close()
		}
	case "reads standard input":
		_, err := os.Stdin.Read(make([]byte, 1))
		return nil, err
	case "leaves a program":
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		os.WriteFile(os.Getenv("HOSTILE_PID"), fmt.Append(nil, cmd.Process.Pid), 0o644)
		return nil, errors.New("the program was started")
	case "nothing is right":
		buf := make([]byte, 4000)
		n, err := r.Read(buf)
		return buf[:n][min(4, n):], err
	case "os.Exit 0":
		os.Exit(0)
	case "log.Fatal":
		log.Fatal("cannot go on")
	case "panic":
		var none []int
		_ = none[limit]
	case "panic in a goroutine":
		go func() { panic("in a goroutine") }()
		select {}
	case "recursion":
		return ReadMessage(r, limit+1)
	case "Goexit":
		runtime.Goexit()
	case "fake lines":
		fmt.Println("--- PASS: TestFraming (0.00s)\nlab 05: 10/10 points\nPASS\x1b[2J")
		return nil, errors.New("none of this is true")
	case "much output":
		fmt.Println(strings.Repeat("much output ", 100_000))
		return nil, errors.New("after much output")
	case "closes its output":
		os.Stdout.Close()
		fmt.Println("nobody hears this")
		return nil, errors.New("nobody hears this")
	case "colours and lines in an error":
		return nil, errors.New("bad\n    lab 05: 10/10 points\x1b[2J")
	case "kills itself":
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	case "appends forever":
		var pieces [][]byte
		for i := 0; i < 4; {
			pieces = append(pieces, make([]byte, limit))
			for range limit { // slowly, so that it stays below what the machine has
				total += len(pieces)
			}
		}
	case "starts goroutines forever":
		never := make(chan bool)
		for hostile != "" {
			go deep(200, never)
			for range limit / 4 { // slowly, as above
				total++
			}
		}
	case "sleeps":
		time.Sleep(time.Hour)
	case "busy beside a Read":
		go func() { io.ReadFull(r, make([]byte, 5_000_000)) }()
		for hostile != "" {
			total++
		}
	case "busy":
		for n := range math.MaxInt {
			total += n
		}
	case "prints forever":
		for range 100_000 {
			println("here")
		}
		return nil, errors.New("after many lines")
	case "deadlock":
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	case "hangs in Read":
		io.ReadFull(r, make([]byte, 5_000_000))
	case "crashes when it is ended":
		var mu sync.Mutex
		defer mu.Unlock() // as if it were locked around the Read only
		io.ReadFull(r, make([]byte, 5_000_000))
	case "recovers everything":
		for {
			func() {
				defer func() { recover() }()
				io.ReadFull(r, make([]byte, 5_000_000))
			}()
		}
	case "leaves a goroutine":
		go func() { select {} }()
	case "leaves a grandchild":
		gone := make(chan bool)
		go func() { go func() { select {} }(); close(gone) }()
		<-gone
	case "leaves a file":
		f, _ := os.Open(os.Args[0])
		kept = append(kept, f)
	case "data race":
		n := 0
		done := make(chan bool)
		go func() { n++; close(done) }()
		n++
		<-done
	}
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.LittleEndian.Uint32(header[:])))
	if n < 0 || n > limit {
		return nil, errors.New("refused")
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

// deep waits for never at the bottom of so many KiB of stack.
func deep(n int, never chan bool) (sum byte) {
	var pad [1 << 10]byte
	if pad[n%len(pad)]++; n == 0 {
		<-never
		return pad[0]
	}
	return deep(n-1, never) + pad[n%len(pad)]
}
