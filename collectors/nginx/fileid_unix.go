//go:build unix

package nginx

import (
	"io/fs"
	"syscall"
)

// fileID returns what identifies a file through renames.
func fileID(info fs.FileInfo) (device, inode uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}
