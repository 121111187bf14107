// Package progress keeps what a reader has done, in .socketbook/state.json in the module's folder:
// for tools/watch and tools/workbook. The points in it are a memory and never a grade.
package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	folder  = ".socketbook"
	version = 1
	largest = 1 << 20 // bytes; a real one has a few thousand
)

// State is what is kept. Maps are never nil in a state that Load or Update hands out.
type State struct {
	Version int             `json:"version"`
	Lab     string          `json:"lab,omitempty"` // worked on last: "05"
	Labs    map[string]Lab  `json:"labs,omitempty"`
	Played  map[string]bool `json:"played,omitempty"`  // scenes: "04/glue"
	NoKeys  bool            `json:"no_keys,omitempty"` // the page's single keys are off
}

// Lab is the last result of a lab.
type Lab struct {
	Points int `json:"points"`
	Of     int `json:"of"`
}

// Perfect reports whether nothing is missing.
func (l Lab) Perfect() bool { return l.Of > 0 && l.Points == l.Of }

// Store is the file. Its methods may be called from any goroutine. Two tools may use one file: each
// writes it whole, under another name first, so that nobody reads half of it.
type Store struct {
	dir string
	say func(string)
	mu  sync.Mutex
}

// Open returns the store of the module in root. What say is told is for the reader: that the file
// could not be read, and that the state begins anew.
func Open(root string, say func(sentence string)) *Store {
	return &Store{dir: filepath.Join(root, folder), say: say}
}

// Dir is the folder for what belongs to this reader; it is made when it is needed.
func (s *Store) Dir() (string, error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder %s: %w", folder, cause(err))
	}
	return s.dir, nil
}

// Load returns the state.
func (s *Store) Load() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load()
}

func (s *Store) load() State {
	name := filepath.Join(s.dir, "state.json")
	state, err := read(name)
	if err == nil {
		return state
	}
	if !errors.Is(err, fs.ErrNotExist) {
		kept := name + ".unreadable"
		sentence := fmt.Sprintf("%s/state.json %v; the progress shown begins anew", folder, err)
		if os.Rename(name, kept) == nil {
			sentence += ", and the old file is kept as " + filepath.Base(kept)
		}
		s.say(sentence)
	}
	return State{Version: version, Labs: map[string]Lab{}, Played: map[string]bool{}}
}

func read(name string) (State, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return State{}, err
	case !info.Mode().IsRegular():
		return State{}, errors.New("is not a file")
	case info.Size() > largest:
		return State{}, errors.New("is too large to be ours")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return State{}, fmt.Errorf("cannot be read (%w)", cause(err))
	}
	var state State
	if err := json.Unmarshal(text, &state); err != nil {
		return State{}, fmt.Errorf("is broken (%s)", strings.TrimPrefix(err.Error(), "json: "))
	}
	if state.Version != version {
		return State{}, fmt.Errorf("is of version %d, and this is version %d", state.Version, version)
	}
	if state.Labs == nil {
		state.Labs = map[string]Lab{}
	}
	if state.Played == nil {
		state.Played = map[string]bool{}
	}
	return state, nil
}

// Update reads the state, lets change change it, and writes it.
func (s *Store) Update(change func(*State)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.load()
	change(&state)
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, "state.json"), append(text, '\n'), 0o644)
}

// WriteFile writes a file under another name and renames it, so that the file is there whole or not at all.
func WriteFile(name string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(name), cause(err))
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", filepath.Base(name), cause(err))
	}
	return nil
}

// cause is the error without the operation and the path.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
