// Command digests asks the registries which digests the images of other projects
// have that this repository names by tag, and writes them behind the tags: a tag
// can be moved, a digest cannot. Images that have a digest get the present one of
// their tag.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
)

// files name images of other projects, from the top of the repository.
var files = []string{"deploy/compose/compose.monitoring.yaml", ".github/workflows/*.yml"}

// reference matches an image with a tag, in a compose file or a workflow.
var reference = regexp.MustCompile(`(?m)^( *(?:image|container): )([a-z0-9][a-z0-9./_-]*:[A-Za-z0-9._-]+)(?:@sha256:[0-9a-f]{64})?$`)

// own are our images, whose digests exist only after a release.
const own = "ghcr.io/dmarc-suite/"

func main() {
	root := flag.String("root", "../..", "top of the repository")
	flag.Parse()
	resolve := func(image string) (string, error) {
		return crane.Digest(image, crane.WithAuthFromKeychain(authn.DefaultKeychain))
	}
	if err := run(*root, resolve, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "digests:", err)
		os.Exit(1)
	}
}

// run pins the images of all files, or changes none if one cannot be resolved.
func run(root string, resolve func(string) (string, error), list io.Writer) error {
	pinned, known := map[string]string{}, map[string]string{}
	var all error
	for _, pattern := range files {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			pinned[path] = reference.ReplaceAllStringFunc(string(text), func(line string) string {
				m := reference.FindStringSubmatch(line)
				image := m[2]
				if strings.HasPrefix(image, own) {
					return line
				}
				if _, ok := known[image]; !ok {
					digest, err := resolve(image)
					if err != nil {
						all = errors.Join(all, fmt.Errorf("%s: %w", image, err))
					} else {
						fmt.Fprintf(list, "%s@%s\n", image, digest)
					}
					known[image] = digest
				}
				return m[1] + image + "@" + known[image]
			})
		}
	}
	if all != nil {
		return fmt.Errorf("nothing is changed, because a registry did not answer:\n%w", all)
	}
	for path, text := range pinned {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
