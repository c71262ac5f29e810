// Package archive reads the archives of a release, so that images and packages
// hold the very binaries that were released.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Archive is the archive of one Linux platform.
type Archive struct {
	Version, Arch string
	Time          time.Time         // of the commit
	Files         map[string][]byte // by base name
}

// fileName is how internal/release names archives.
var fileName = regexp.MustCompile(`^dmarc-suite-(.+)\.linux-([a-z0-9]+)\.tar\.gz$`)

// Find reads the archives for Linux in a directory; all are of one version.
func Find(dir string) ([]Archive, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "dmarc-suite-*.linux-*.tar.gz"))
	if err != nil {
		return nil, err
	}
	var all []Archive
	for _, p := range paths {
		m := fileName.FindStringSubmatch(filepath.Base(p))
		if m == nil {
			continue
		}
		a := Archive{Version: m[1], Arch: m[2], Files: map[string][]byte{}}
		if err := a.read(p); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if len(all) > 0 && all[0].Version != a.Version {
			return nil, fmt.Errorf("%s holds versions %s and %s: remove one", dir, all[0].Version, a.Version)
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no archive for Linux: run make release", dir)
	}
	return all, nil
}

// read fills in the files and the time.
func (a *Archive) read(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.Files[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
			return err
		}
		a.Time = h.ModTime.UTC()
	}
}

// Binaries returns the names of the exporters in the archive.
func (a Archive) Binaries() []string {
	var names []string
	for _, name := range []string{"dmarc_exporter", "postgres_queries_exporter", "redis_exporter", "nginx_exporter", "node_exporter", "suite_exporter"} {
		if a.Files[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// Licenses returns the licenses of what a binary links. The name of the file is
// internal/release's.
func (a Archive) Licenses(binary string) ([]byte, error) {
	text := a.Files["THIRD_PARTY_LICENSES."+binary]
	if len(text) == 0 {
		return nil, fmt.Errorf("the archive has no licenses of what %s links: run make release again", binary)
	}
	return text, nil
}

// Dashed returns a binary's name as packages and services have it.
func Dashed(binary string) string { return strings.ReplaceAll(binary, "_", "-") }

// AddSums writes the sums of files into the release's sha256sums.txt, in place of
// those that it has of files with these names.
func AddSums(release string, files []string) error {
	list := filepath.Join(release, "sha256sums.txt")
	before, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var added strings.Builder
	names := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		names[filepath.Base(file)] = true
		fmt.Fprintf(&added, "%x  %s\n", sha256.Sum256(data), filepath.Base(file))
	}
	var kept strings.Builder
	for line := range strings.Lines(string(before)) {
		if _, name, _ := strings.Cut(strings.TrimSpace(line), "  "); !names[name] {
			kept.WriteString(line)
		}
	}
	return os.WriteFile(list, []byte(kept.String()+added.String()), 0o644)
}
