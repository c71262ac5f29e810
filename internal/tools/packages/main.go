// Command packages makes the deb and rpm packages of a release from its
// archives: one package an exporter, with its hardened unit, its configuration
// files and a manual page. The same release gives the same bytes.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	root := flag.String("root", ".", "top of the repository")
	release := flag.String("release", "release", "directory of the release's archives, which the packages join")
	flag.Parse()
	if err := run(*root, *release, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func run(root, release string, list io.Writer) error {
	archives, err := archive.Find(release)
	if err != nil {
		return err
	}
	var files []string
	for _, a := range archives {
		for _, binary := range a.Binaries() {
			for _, format := range []string{"deb", "rpm"} {
				path, err := build(source{root, a, binary, format}, release)
				if err != nil {
					return fmt.Errorf("%s of %s for %s: %w", format, binary, a.Arch, err)
				}
				fmt.Fprintln(list, path)
				files = append(files, path)
			}
		}
	}
	return archive.AddSums(release, files)
}

// build writes one package into dir.
func build(s source, dir string) (string, error) {
	tmp, err := os.MkdirTemp("", "packages")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	info, err := s.info(tmp)
	if err != nil {
		return "", err
	}
	packager := map[string]nfpm.Packager{"deb": deb.Default, "rpm": rpm.DefaultRPM}[s.format]
	path := filepath.Join(dir, packager.ConventionalFileName(info))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	return path, closeAfter(f, func(w io.Writer) error { return packager.Package(info, w) })
}

// closeAfter writes and closes, and returns the first error.
func closeAfter(f *os.File, write func(io.Writer) error) error {
	err := write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
