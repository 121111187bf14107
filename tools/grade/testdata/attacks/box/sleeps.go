// A time bomb that waits for longer than anybody watches.
//
//	expect: timed out
//	limits: time=200ms
package main

var _ = attack("sleeps", forever)
