// Another root, other mounts, and the old one.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("mounts", func() {
	refused("mount", unix.Mount("proc", "/tmp", "proc", 0, ""), unix.EPERM)
	refused("bind", unix.Mount("/", "/tmp", "", unix.MS_BIND, ""), unix.EPERM)
	refused("remount", unix.Mount("", "/", "", unix.MS_REMOUNT, ""), unix.EPERM)
	refused("umount", unix.Unmount("/tmp", unix.MNT_DETACH), unix.EPERM)
	refused("pivot_root", unix.PivotRoot("/tmp", "/tmp"), unix.EPERM)
	refused("chroot", unix.Chroot("/tmp"), unix.EPERM)
	_, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE)
	refused("open_tree", err, unix.EPERM)
	_, err = unix.Fsopen("tmpfs", 0)
	refused("fsopen", err, unix.EPERM)
})
