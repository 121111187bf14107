//go:build !linux && !darwin

package scenario

import (
	"errors"
	"time"
)

const unix = false

func waitExited(int, time.Duration) error { return errors.ErrUnsupported }

func waitGone(int, time.Duration) error { return errors.ErrUnsupported }

func state(int) string { return "" }
