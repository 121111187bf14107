//go:build !unix

package attacks

import "errors"

func makeFifo(string) error { return errors.ErrUnsupported }
