package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
)

// File transfer as it is often written first.

// naiveTalk puts a file for each line "put NAME", and takes it for stored when it is sent.
func naiveTalk(conn net.Conn, folder *os.Root, in io.Reader, _ io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name := strings.TrimPrefix(lines.Text(), "put ")
		file, size, err := openFile(folder, name)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := naiveSendFile(conn, name, file, size); err != nil {
			return err
		}
	}
	return lines.Err()
}

// naiveSendFile announces a size, and sends what there is.
func naiveSendFile(w io.Writer, name string, file io.ReadSeeker, size int64) error {
	if err := writeHeader(w, header{FileName: name, TotalSize: size}); err != nil {
		return err
	}
	_, err := io.Copy(w, file)
	return err
}

// naiveAnswer stores each file under its name as it comes.
func naiveAnswer(conn net.Conn, folder *os.Root) error {
	defer conn.Close()
	for {
		h, err := readHeader(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		file, err := folder.Create(h.FileName)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := io.CopyN(file, conn, h.TotalSize); err != nil {
			return err
		}
	}
}

// sendLines sends a file line by line, and nothing else.
func sendLines(w io.Writer, file io.Reader) error {
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadString('\n')
		if line == "" && err == io.EOF {
			return nil
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
