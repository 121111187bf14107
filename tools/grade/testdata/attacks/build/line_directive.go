// Errors in a file that the compiler is told to be another.
//
//	expect: exited 1
//	says:   undefined: nothing
package main

func main() {
//line /etc/shadow:1
	nothing()
}
