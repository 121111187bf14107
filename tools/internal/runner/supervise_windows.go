package runner

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// supervise runs a program in a job of its own. The supervisor is in the job too, and holds the
// only handle on it: when it ends, Windows ends all processes of the job.
func supervise(path string, argv []string, asked <-chan struct{}) (status int, err error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return cannotStart, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return cannotStart, err
	}
	if err := windows.AssignProcessToJobObject(job, windows.CurrentProcess()); err != nil {
		return cannotStart, err
	}
	cmd := exec.Command(path)
	cmd.Args, cmd.Stdout, cmd.Stderr = argv, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return cannotStart, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-asked:
		return 1, nil // ending ends the program
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
