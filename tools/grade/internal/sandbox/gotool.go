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
	Cache    string // GOCACHE: a warm build cache, which builds read and never write
}

// FindGo asks the go command in PATH where its folders are, for the module in dir. Cache is left to
// the caller: not the user's own, in which every compiled package and test of the user is to be
// found, but one that [Go.Warm] has filled.
func FindGo(ctx context.Context, dir string) (Go, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "-json", "GOROOT", "GOMODCACHE")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Go{}, fmt.Errorf("asking the go command for its folders: %w %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var env struct{ GOROOT, GOMODCACHE string }
	if err := json.Unmarshal(out, &env); err != nil {
		return Go{}, fmt.Errorf("asking the go command for its folders: %w", err)
	}
	return Go{Root: env.GOROOT, ModCache: env.GOMODCACHE}, nil
}

// Command is the path of the go command.
func (g Go) Command() string { return filepath.Join(g.Root, "bin", "go"+exe) }

// Folders are what a build needs besides the module's own: the installation, the module cache and
// the build cache, all read-only.
func (g Go) Folders() []Folder {
	folders := []Folder{{Path: g.Root}, {Path: g.ModCache}}
	if g.Cache != "" {
		folders = append(folders, Folder{Path: g.Cache})
	}
	return folders
}

// Env is the environment of a build: without cgo, without a network, without another toolchain, and
// with the module's go.mod as it is.
func (g Go) Env() []string {
	return []string{
		"GOROOT=" + g.Root, "GOMODCACHE=" + g.ModCache, "GOCACHE=" + g.Cache,
		"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOSUMDB=off", "GOTOOLCHAIN=local",
		"GOENV=off", "GOWORK=off", "GOTELEMETRY=off", "GO111MODULE=on", "GOVCS=*:off",
	}
}

// Warm fills g.Cache with what a build compiles, and is called with trusted source only: once for
// a batch, before the first submission. Its arguments are those of go build, its environment that
// of the later builds: the same arguments must follow, such as -trimpath.
func (g Go) Warm(ctx context.Context, dir string, args ...string) error {
	if err := os.MkdirAll(g.Cache, 0o755); err != nil {
		return fmt.Errorf("making the build cache: %w", err)
	}
	cmd := exec.CommandContext(ctx, g.Command(), append([]string{"build"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(g.Env(), "HOME="+g.Cache, "TMPDIR="+os.TempDir(), "PATH="+filepath.Dir(g.Command()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("filling the build cache: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}
