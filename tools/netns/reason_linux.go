package netns

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// refusing are the numbers by which a system says that it does not allow, or does not have,
// something. Others, such as EAGAIN or a value that a sysctl does not take (EINVAL), are not
// refusals.
var refusing = []syscall.Errno{
	syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EROFS, syscall.ENOENT, syscall.ENOSYS,
	syscall.ENODEV, syscall.EUSERS, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
}

// failedStep is the error of a step of the set-up.
func failedStep(step string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if slices.Contains(refusing, errno) || step == "clone" && errno == syscall.EINVAL {
			return &Refusal{Step: step, Err: errno, Hint: hint(step, errno)}
		}
		err = errno
	}
	return fmt.Errorf("private network: %s: %w", step, err)
}

// sysctls is where they are; tests put another folder in its place.
var sysctls = "/proc/sys"

// set reports whether the file of a sysctl exists and says value.
func set(name, value string) bool {
	text, err := os.ReadFile(sysctls + "/" + strings.ReplaceAll(name, ".", "/"))
	return err == nil && strings.TrimSpace(string(text)) == value
}

// hint says who forbids a step, as far as the system tells (user_namespaces(7); sysctl names
// beginning with kernel are additions of Ubuntu and Debian).
func hint(step string, errno syscall.Errno) string {
	const (
		apparmor = "kernel.apparmor_restrict_unprivileged_userns"
		debian   = "kernel.unprivileged_userns_clone"
	)
	denied := errno == syscall.EPERM || errno == syscall.EACCES
	allow := func(name, value string) string {
		return fmt.Sprintf("until the next start, this allows it: sudo sysctl -w %s=%s", name, value)
	}
	switch {
	case denied && set(debian, "0"):
		return "the system forbids user namespaces to ordinary users; " + allow(debian, "1")
	case denied && set(apparmor, "1") && !strings.HasPrefix(step, "mount"):
		return "AppArmor forbids it to ordinary users; " + allow(apparmor, "0")
	case errno == syscall.ENOSPC && step == "clone":
		for _, kind := range []string{"user", "net", "pid", "mnt", "ipc"} {
			if name := "user.max_" + kind + "_namespaces"; set(name, "0") {
				return name + " is 0; " + allow(name, "10000")
			}
		}
		return "a limit user.max_…_namespaces is reached"
	case errno == syscall.EACCES && step == "clone":
		return fmt.Sprintf("user %d must be able to execute the program's file", nobody)
	case denied && step == "clone":
		return "a container's seccomp filter or a chroot forbids it; outside it may be allowed"
	case denied && strings.HasPrefix(step, "mount"):
		return "a container that hides parts of /proc forbids it"
	case errno == syscall.EINVAL || errno == syscall.ENOSYS:
		return "the kernel was built without it"
	}
	return ""
}
