//go:build !linux

package sandbox

import (
	"errors"
	"runtime"
)

func refusal() error {
	return &Refusal{
		Step: "clone",
		Err:  errors.New("this is not Linux but " + runtime.GOOS),
		Hint: "only Linux has the namespaces that it is made of; " +
			"a virtual machine with Linux has them",
	}
}

// Main does nothing: only Linux has boxes of kind Namespaces.
func Main() {}

// Probe returns a [*Refusal]: only Linux has namespaces.
func Probe() error { return refusal() }

func openNamespaces(Config) (box, error) { return nil, refusal() }

// Own does nothing: commands run as the user who owns the folder.
func (b *Box) Own(string) error { return nil }
