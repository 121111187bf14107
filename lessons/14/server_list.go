package main

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
)

const maxNames = 10_000 // in a list

// list sends the sizes and names of the files that are here.
func (s *server) list(conn net.Conn) error {
	dir, err := s.folder.Open(".")
	if err != nil {
		return fileFailure(err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxNames)
	if err != nil && err != io.EOF {
		return fileFailure(err)
	}
	text := listText(entries)
	head, err := encodeHeader(header{TotalSize: int64(len(text))})
	if err != nil {
		return err
	}
	_, err = conn.Write(append(head, text...))
	return err
}

// listText has a line for each file that is complete, in the order of their names.
func listText(entries []fs.DirEntry) string {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var text strings.Builder
	for _, entry := range entries {
		info, err := entry.Info() // an error: it has gone meanwhile
		if err == nil && info.Mode().IsRegular() && checkName(entry.Name()) == nil {
			fmt.Fprintf(&text, "%13d %s\n", info.Size(), entry.Name())
		}
	}
	if len(entries) == maxNames {
		fmt.Fprintln(&text, "there may be more")
	}
	return text.String()
}
