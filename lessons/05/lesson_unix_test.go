//go:build unix && (amd64 || arm64)

package main

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A payload whose length does not fit is refused before anything is written. The 2 GiB are an address
// range without memory behind it: nobody may look at them.
func TestPayloadTooLong(t *testing.T) {
	const size = 2<<30 + 5
	payload, err := syscall.Mmap(-1, 0, size, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("this machine has no 2 GiB of addresses to spare: %v", err)
	}
	require.NoError(t, err)
	defer syscall.Munmap(payload)
	var sent bytes.Buffer
	require.ErrorContains(t, writeMessage(&sent, payload), "2147483653 bytes")
	require.Zero(t, sent.Len(), "bytes written")
}
