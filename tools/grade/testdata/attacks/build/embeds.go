// A file of the machine, put into the program.
//
//	expect: exited 1
//	says:   invalid pattern
package main

import _ "embed"

//go:embed /etc/passwd
var secret string

func main() { println(secret) }
