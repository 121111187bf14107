package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// refusing are the numbers by which a system says that it does not allow, or does not have,
// something. Others, such as EAGAIN, are not refusals.
var refusing = []syscall.Errno{
	syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EROFS, syscall.ENOSYS, syscall.ENODEV,
	syscall.EUSERS, syscall.EINVAL, syscall.EOPNOTSUPP,
}

// failedStep is the error of a step of the set-up, or of starting a command.
func failedStep(step string, err error) error {
	var number syscall.Errno
	system := !strings.HasPrefix(step, "folder") && !strings.HasPrefix(step, "execute")
	if system && errors.As(err, &number) && slices.Contains(refusing, number) {
		return &Refusal{Step: step, Err: number, Hint: hint(step, number)}
	}
	return fmt.Errorf("sandbox: %s: %w", step, err)
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
func hint(step string, number syscall.Errno) string {
	const (
		apparmor = "kernel.apparmor_restrict_unprivileged_userns"
		debian   = "kernel.unprivileged_userns_clone"
	)
	denied := number == syscall.EPERM || number == syscall.EACCES
	allow := func(name, value string) string {
		return fmt.Sprintf("until the next start, this allows it: sudo sysctl -w %s=%s", name, value)
	}
	if number == syscall.ENOSPC {
		for _, kind := range []string{"user", "net", "pid", "mnt", "ipc", "uts", "cgroup"} {
			if name := "user.max_" + kind + "_namespaces"; set(name, "0") {
				return name + " is 0; " + allow(name, "10000")
			}
		}
		return "a limit user.max_…_namespaces is reached"
	}
	switch {
	case strings.HasPrefix(step, lowLimit):
		return "ulimit -Ha shows the limits; an administrator sets them, often in /etc/security/limits.conf"
	case denied && set(debian, "0"):
		return "the system forbids user namespaces to ordinary users; " + allow(debian, "1")
	case denied && set(apparmor, "1"):
		return "AppArmor forbids it to ordinary users; " + allow(apparmor, "0")
	case number == syscall.EACCES && (step == "clone" || step == "launcher"):
		return fmt.Sprintf("user %d must be able to execute the program's file: chmod a+x", nobody)
	case denied && step == "mount /proc":
		return "a container that hides parts of /proc forbids it; start it with " +
			"docker run --security-opt systempaths=unconfined"
	case denied:
		return "a container's seccomp filter or a chroot forbids it; a machine of its own allows it, " +
			"and so does docker run --privileged"
	case number == syscall.EINVAL || number == syscall.ENOSYS:
		return "the kernel was built without it, or is older than 5.12"
	}
	return ""
}
