// Command inside is what the tests run in a box.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	args := os.Args[1:]
	switch args[0] {
	case "tell":
		fmt.Println(strings.Join(args[1:], "|"))
		dir, _ := os.Getwd()
		fmt.Fprintln(os.Stderr, dir, os.Getenv("COLOUR"), os.Getenv("HOME"), os.Getenv("TMPDIR"))
	case "exit":
		status, _ := strconv.Atoi(args[1])
		os.Exit(status)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(time.Hour)
	case "echo": // lines, on descriptor 3
		f := os.NewFile(3, "socket")
		for s := bufio.NewScanner(f); s.Scan(); {
			fmt.Fprintln(f, "inside:", s.Text())
		}
	case "loopback":
		ln, err := net.Listen("tcp", "localhost:8080")
		check(err)
		go net.Dial("tcp", ln.Addr().String())
		_, err = ln.Accept()
		check(err)
	case "write":
		check(os.WriteFile(args[1], []byte(args[2]), 0o644))
	case "move":
		check(os.Mkdir(filepath.Dir(args[2]), 0o755))
		check(os.Rename(args[1], args[2]))
		check(os.Rename(args[2], args[1]))
	case "read":
		text, err := os.ReadFile(args[1])
		check(err)
		fmt.Printf("%s", text)
	case "list":
		entries, err := os.ReadDir(args[1])
		check(err)
		for _, e := range entries {
			fmt.Println(e.Name())
		}
	case "print":
		n, _ := strconv.Atoi(args[1])
		for i := range n {
			fmt.Println("line", i)
		}
	case "sleep":
		fmt.Println("asleep")
		time.Sleep(time.Hour)
	case "leave": // a process in another session
		cmd := exec.Command("/proc/self/exe", "sleep")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		check(cmd.Start())
	case "allocate":
		n, _ := strconv.Atoi(args[1])
		b := make([]byte, n<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		time.Sleep(50 * time.Millisecond)
	case "hold", "hold without a first thread": // memory, without end
		n, _ := strconv.Atoi(args[1])
		go hold(n)
		if args[0] != "hold" {
			leaveFirstThread()
		}
		select {}
	case "map": // as much address space as a suite asks for
		_, err := syscall.Mmap(-1, 0, 2<<30, syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		check(err)
	case "code": // memory that is made executable, and such memory from the beginning
		page, err := syscall.Mmap(-1, 0, 1<<12, syscall.PROT_READ|syscall.PROT_WRITE,
			syscall.MAP_PRIVATE|syscall.MAP_ANON)
		check(err)
		fmt.Println(syscall.Mprotect(page, syscall.PROT_READ|syscall.PROT_EXEC))
		_, err = syscall.Mmap(-1, 0, 1<<12, syscall.PROT_READ|syscall.PROT_EXEC,
			syscall.MAP_PRIVATE|syscall.MAP_ANON)
		fmt.Println(err)
		_, _, number := syscall.Syscall6(syscall.SYS_MREMAP, uintptr(unsafe.Pointer(&page[0])), 1<<12, 1<<12, 0, 0, 0)
		fmt.Println(number == syscall.EPERM)
	case "become": // another program: a file that is mapped, a process, a program of its own
		f, err := os.Create(filepath.Join(os.TempDir(), "mapped"))
		check(err)
		check(f.Truncate(1 << 12))
		_, err = syscall.Mmap(int(f.Fd()), 0, 1<<12, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		fmt.Println(err)
		_, err = syscall.Mmap(int(f.Fd()), 0, 1<<12, syscall.PROT_READ, syscall.MAP_PRIVATE)
		fmt.Println(err)
		fmt.Println(errors.Unwrap(exec.Command("/proc/self/exe", "exit", "0").Run()))
		path, err := os.Executable()
		check(err)
		own := filepath.Join(os.TempDir(), "own")
		check(os.WriteFile(own, []byte("#!"+path+" tell\n"), 0o755))
		fmt.Println(syscall.Exec(own, []string{own}, nil))
	case "spoil": // every file below a folder
		spoilt := 0
		filepath.WalkDir(args[1], func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && os.WriteFile(path, []byte("spoilt"), 0o644) == nil {
				spoilt++
			}
			return nil
		})
		fmt.Println(spoilt)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// hold takes n MiB, one after the other, and keeps them.
func hold(n int) {
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		held = append(held, b)
		time.Sleep(time.Millisecond)
	}
	select {}
}

var held [][]byte

// leaveFirstThread ends the thread that has the process's number; the others go on.
func leaveFirstThread() {
	leave := func() {
		runtime.LockOSThread()
		if syscall.Gettid() == syscall.Getpid() {
			syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		select {}
	}
	for range 16 {
		go leave()
	}
	leave()
}
