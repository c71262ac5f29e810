package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// member is one file of a tarball.
type member struct {
	name, path string
	mode       int64
}

// writeTarball writes the members in the given order, every header fixed but
// for name, size and mode, so that equal content gives equal bytes.
func writeTarball(path string, members []member, mtime time.Time) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	zip := gzip.NewWriter(f)
	archive := tar.NewWriter(zip)
	for _, m := range members {
		data, err := os.ReadFile(m.path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(data)), ModTime: mtime, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// writeSums writes the file that sha256sum --check reads, with paths relative to it.
func writeSums(path string, files []string) error {
	var sums strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
	}
	return os.WriteFile(path, []byte(sums.String()), 0o644)
}
