package check

import (
	"errors"
	"fmt"
	"os"

	"socketbook/tools/loopback"
)

// What a suite may need at one time, with room to spare.
const (
	neededFiles = 128
	neededDisk  = 4 << 20 // bytes
)

// machine tries what the suites need: loopback, descriptors, and a temporary folder with room in
// it. It returns a sentence about what is missing, as an error. A case that fails on such a machine
// says nothing about the answer.
func machine() error {
	client, server, err := loopback.TCP()
	if err != nil {
		return fmt.Errorf("no connection on 127.0.0.1 could be made: %w", err)
	}
	client.Close()
	server.Close()
	return errors.Join(descriptors(), disk())
}

func descriptors() error {
	for n := range neededFiles {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return fmt.Errorf(
				"only %d of the %d files that a suite may need could be opened: %w",
				n,
				neededFiles,
				err,
			)
		}
		defer f.Close()
	}
	return nil
}

func disk() error {
	f, err := os.CreateTemp("", "socketbook")
	if err != nil {
		return fmt.Errorf("no temporary file could be made: %w", err)
	}
	_, err = f.Write(make([]byte, neededDisk))
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	if err != nil {
		return fmt.Errorf("a temporary file of %d MiB could not be written: %w", neededDisk>>20, err)
	}
	return nil
}
