//go:build !linux && !darwin

package sticky_test

import "socketbook/tools/check"

var rightOnUnix []check.Answer
