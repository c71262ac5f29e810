package realtest

import "syscall"

// dieWithParent has the kernel end the child when the test binary dies.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
