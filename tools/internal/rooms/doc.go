// Package rooms holds the rule which part of the workbook may import which; its test reads the
// imports and fails on any other arrow. The rule keeps lessons and labs small: a student who reads
// one finds the standard library in it.
package rooms
