package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The box is put together below /tmp, which the keeper covers with a file system in memory that
// only it sees.
const (
	stage    = "/tmp"
	rootPath = stage + "/root"    // becomes "/"
	parked   = stage + "/folders" // those below the box's own /tmp, by number
)

// devices are what programs open. A shared mapping of /dev/zero would be memory that is seen in no process.
var devices = []string{"/dev/null", "/dev/full", "/dev/random", "/dev/urandom"}

// etc is what a program looks up that was built without cgo.
var etc = map[string]string{
	"etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
	"etc/passwd":        fmt.Sprintf("student:x:%d:%d::/tmp:\n", inside, inside),
	"etc/group":         fmt.Sprintf("student:x:%d:\n", inside),
	"etc/nsswitch.conf": "hosts: files\n",
}

// setUp makes the box.
func (k *keeper) setUp(c Config) (failed string, err error) {
	type tree struct {
		Folder
		fd int
	}
	var trees []tree
	defer func() {
		for _, t := range trees {
			unix.Close(t.fd)
		}
	}()
	if err := upLoopback(); err != nil {
		return "lo", err
	}
	if err := unix.Sethostname([]byte("box")); err != nil {
		return "hostname", err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "mount namespace", err
	}
	for _, d := range devices {
		fd, err := openTree(d, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
		if err != nil {
			return "mount " + d, err
		}
		trees = append(trees, tree{Folder{Path: d}, fd})
	}
	for _, f := range c.Folders {
		f.Path = filepath.Clean(f.Path)
		if !filepath.IsAbs(f.Path) || f.Path == "/" {
			return "folder " + f.Path, fmt.Errorf("it must be absolute, and not the root")
		}
		attributes := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
		if f.Writable {
			attributes |= unix.MOUNT_ATTR_NOEXEC
		} else {
			attributes |= unix.MOUNT_ATTR_RDONLY
		}
		fd, err := openTree(f.Path, attributes)
		if err != nil {
			return "folder " + f.Path, err
		}
		trees = append(trees, tree{f, fd})
	}
	if err := mountTmp(stage, "mode=0755,size=1m", 0); err != nil {
		return "mount tmpfs", err
	}
	for _, d := range []string{rootPath, parked} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return "mount tmpfs", err
		}
	}
	if err := mountTmp(rootPath, "mode=0755,size=1m", 0); err != nil {
		return "mount tmpfs", err
	}
	for _, d := range []string{"dev", "etc", "proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(rootPath, d), 0o755); err != nil {
			return "mount tmpfs", err
		}
	}
	// By it a program lists what it has open.
	if err := os.Symlink("/proc/self/fd", filepath.Join(rootPath, "dev/fd")); err != nil {
		return "mount tmpfs", err
	}
	for name, text := range etc {
		if err := os.WriteFile(filepath.Join(rootPath, name), []byte(text), 0o644); err != nil {
			return "mount tmpfs", err
		}
	}
	for i, t := range trees {
		if t.Writable {
			k.writable = append(k.writable, t.Path)
		}
		at, path := rootPath, t.Path
		if below(t.Path, tmpPath) {
			at, path = parked, fmt.Sprint("/", i)
			k.under = append(k.under, Folder{Path: t.Path, Writable: t.Writable})
			k.parkedAt = append(k.parkedAt, parked+path)
		}
		if err := place(t.fd, at, path); err != nil {
			return "folder " + t.Path, err
		}
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, proc := range []struct {
		at, options string
		flags       uintptr
	}{
		{"/proc", "", flags}, // the keeper's: by it, it finds its children
		// Otherwise a program changes its own code through /proc/self/mem.
		{rootPath + "/proc", "hidepid=2,subset=pid", flags | unix.MS_RDONLY},
	} {
		if err := unix.Mount("proc", proc.at, "proc", proc.flags, proc.options); err != nil {
			return "mount /proc", err
		}
	}
	return "mount read-only", unix.MountSetattr(unix.AT_FDCWD, rootPath, 0, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
	})
}

func below(path, folder string) bool { return strings.HasPrefix(path, folder+"/") }

// freshTmp gives the next command an empty /tmp, with the folders in it that belong there.
func (k *keeper) freshTmp(c Command) (failed string, err error) {
	at := rootPath + tmpPath
	for unix.Unmount(at, unix.MNT_DETACH) == nil {
	}
	size := c.Limits.Tmp
	options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", size, max(size/perFile, 1024))
	var more uintptr
	if c.Complete {
		more = unix.MS_NOEXEC
	}
	if err := mountTmp(at, options, more); err != nil {
		return "mount tmpfs", err
	}
	for i, f := range k.under {
		fd, err := openTree(k.parkedAt[i], 0)
		if err == nil {
			err = place(fd, rootPath, f.Path)
			unix.Close(fd)
		}
		if err != nil {
			return "folder " + f.Path, err
		}
	}
	return "", nil
}

func mountTmp(at, options string, more uintptr) error {
	return unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|more, options)
}

// openTree makes a copy of what is mounted at path, and below it, with attributes added
// (open_tree(2), mount_setattr(2); Linux 5.12).
func openTree(path string, attributes uint64) (fd int, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, path,
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil || attributes == 0 {
		return fd, err
	}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
		&unix.MountAttr{Attr_set: attributes})
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

// place mounts a tree at a path below root, and makes what is missing of the path.
func place(tree int, root, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer r.Close()
	path = strings.TrimPrefix(path, "/")
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = r.MkdirAll(path, 0o755)
	} else if err = r.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		if _, missing := r.Lstat(path); missing != nil {
			err = r.WriteFile(path, nil, 0o644)
		}
	}
	if err != nil {
		return err
	}
	rootFD, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(rootFD)
	at, err := unix.Openat2(rootFD, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT,
	})
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.MoveMount(tree, "", at, "",
		unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// upLoopback sets IFF_UP of lo (netdevice(7)).
func upLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
