// Command images makes the container images of a release without an engine:
// from its archives, one image a binary and platform, one index a binary, as
// OCI archives. The same release gives the same digests. With -push it sends
// them to a registry as well, logged in by the configuration of Docker.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	release := flag.String("release", "release", "directory of the release's archives")
	repository := flag.String("repository", "ghcr.io/dmarc-suite", "registry and owner the images are named after")
	push := flag.Bool("push", false, "push the images, besides writing them beside the archives")
	flag.Parse()
	if err := run(*release, *repository, *push); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

// run makes an index for each binary and writes images.txt: the references by
// digest, which is what a deployment names. Their sums join those of the release.
func run(release, repository string, push bool) error {
	archives, err := archive.Find(release)
	if err != nil {
		return err
	}
	var references strings.Builder
	var files []string
	for _, binary := range archives[0].Binaries() {
		index, err := newIndex(archives, binary)
		if err != nil {
			return fmt.Errorf("%s: %w", binary, err)
		}
		digest, err := index.Digest()
		if err != nil {
			return err
		}
		reference := fmt.Sprintf("%s/%s:v%s", repository, binary, archives[0].Version)
		file := filepath.Join(release, fmt.Sprintf("%s-%s.oci.tar", binary, archives[0].Version))
		if err := writeOCI(file, reference, index, archives[0].Time); err != nil {
			return fmt.Errorf("%s: %w", binary, err)
		}
		files = append(files, file)
		if push {
			if err := pushIndex(reference, index); err != nil {
				return fmt.Errorf("%s: %w", binary, err)
			}
		}
		fmt.Fprintf(&references, "%s/%s@%s\n", repository, binary, digest)
	}
	fmt.Print(references.String())
	list := filepath.Join(release, "images.txt")
	if err := os.WriteFile(list, []byte(references.String()), 0o644); err != nil {
		return err
	}
	return archive.AddSums(release, append(files, list))
}

func pushIndex(reference string, index v1.ImageIndex) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	return remote.WriteIndex(tag, index, remote.WithAuthFromKeychain(authn.DefaultKeychain))
}
