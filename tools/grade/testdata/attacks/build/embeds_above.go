// A file above the module's folder, put into the program.
//
//	expect: exited 1
//	says:   invalid pattern
package main

import _ "embed"

//go:embed ../another-submission/framing.go
var secret string

func main() { println(secret) }
