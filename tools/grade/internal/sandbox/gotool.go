package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Go is a Go installation as a build inside a box sees it.
type Go struct {
	Root     string // GOROOT
	ModCache string // GOMODCACHE
	Cache    string // GOCACHE: what is compiled already; builds inside read it and never write
}

// FindGo asks the go command in PATH where its folders are, for the module in dir.
func FindGo(ctx context.Context, dir string) (Go, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "-json", "GOROOT", "GOMODCACHE", "GOCACHE")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Go{}, fmt.Errorf("asking the go command for its folders: %w %s",
			err, bytes.TrimSpace(stderr.Bytes()))
	}
	var env struct{ GOROOT, GOMODCACHE, GOCACHE string }
	if err := json.Unmarshal(out, &env); err != nil {
		return Go{}, fmt.Errorf("asking the go command for its folders: %w", err)
	}
	return Go{Root: env.GOROOT, ModCache: env.GOMODCACHE, Cache: env.GOCACHE}, nil
}

// Command is the path of the go command.
func (g Go) Command() string { return filepath.Join(g.Root, "bin", "go"+exe) }

// Folders are what a build needs besides the module's own: the installation, the module cache and
// the build cache, all read-only.
func (g Go) Folders() []Folder {
	return []Folder{{Path: g.Root}, {Path: g.ModCache}, {Path: g.Cache}}
}

// Env is the environment of a build: without cgo, without a network, without another toolchain, and
// with the module's go.mod as it is.
func (g Go) Env() []string {
	return append(g.settings(), "GOPROXY=off", "GOSUMDB=off", "GOVCS=*:off", "GOENV=off", "GOTELEMETRY=off")
}

// settings are what a build inside and one outside must have in common to find the same in the cache.
func (g Go) settings() []string {
	return []string{
		"GOROOT=" + g.Root, "GOMODCACHE=" + g.ModCache, "GOCACHE=" + g.Cache,
		"CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOTOOLCHAIN=local", "GOWORK=off",
		"GO111MODULE=on",
		// Otherwise a build fails that cannot write the index of a folder into its cache. It
		// takes some 40 ms.
		"GODEBUG=goindex=0",
	}
}

// Warm fills the build cache with what a build compiles, and fetches modules that are missing, outside
// of any box: it is for trusted source, once for a batch, before the first submission. verb is a command of
// go's, build or vet; what follows inside must have the same one and the same flags, such as -trimpath, or it
// compiles everything again.
//
// Builds inside get no layer of their own above the cache, because the go command does without: what
// it compiles it keeps in its work folder in /tmp, and if it cannot write to the cache it goes on
// (GODEBUG in [Go.Env] sees to the exception). That took no longer than with an overlay (0.2 s for
// a lab); a copy of the cache is about 100 MB for each student.
func (g Go) Warm(ctx context.Context, dir, verb string, args ...string) error {
	for _, folder := range []string{g.Cache, g.ModCache} { // otherwise no box can show them
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("making the go command's folders: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, g.Command(), append([]string{verb}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), g.settings()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("filling the build cache: %w\n%s\n(without a network, type this before: go mod download)",
			err, bytes.TrimSpace(out))
	}
	return nil
}
