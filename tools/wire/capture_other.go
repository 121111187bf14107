//go:build !linux

package wire

import (
	"context"
	"errors"
	"time"

	"socketbook/tools/netns"
)

// Capture exists on Linux only.
type Capture struct{}

// Open returns errors.ErrUnsupported: there are packet sockets on Linux only.
func Open(*netns.Network, time.Time) (*Capture, error) { return nil, errors.ErrUnsupported }

// Segments returns errors.ErrUnsupported.
func (*Capture) Segments() ([]Segment, error) { return nil, errors.ErrUnsupported }

// Wait returns errors.ErrUnsupported.
func (*Capture) Wait(context.Context, string, func([]Segment) bool) error {
	return errors.ErrUnsupported
}

// Close returns errors.ErrUnsupported.
func (*Capture) Close() error { return errors.ErrUnsupported }
