//go:build !unix

package sqlite

import "os"

// tryLock does nothing: two processes must not open one file here.
func tryLock(*os.File) (bool, error) { return true, nil }
