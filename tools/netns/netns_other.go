//go:build !linux

package netns

import (
	"context"
	"errors"
	"runtime"
)

func notLinux() *Refusal {
	return &Refusal{
		Step: "clone",
		Err:  errors.New("this is not Linux but " + runtime.GOOS),
		Hint: "only Linux has network namespaces",
	}
}

// Main does nothing: only Linux has network namespaces.
func Main() {}

// Probe returns a [*Refusal]: only Linux has network namespaces.
func Probe() error { return notLinux() }

// Run returns a [*Refusal]: only Linux has network namespaces.
func Run(context.Context, Options) error { return notLinux() }
