package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive/archivetest"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func newRelease(t *testing.T) string {
	return archivetest.Write(t, map[string]string{
		"redis_exporter": "a static binary", "dmarc_exporter": "another", "LICENSE": "text",
		"THIRD_PARTY_LICENSES.redis_exporter": "its licenses", "THIRD_PARTY_LICENSES.dmarc_exporter": "others",
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestImagesAreReproducible wants the same bytes from the same release.
func TestImagesAreReproducible(t *testing.T) {
	first, second := newRelease(t), newRelease(t)
	for _, dir := range []string{first, second} {
		if err := run(dir, "registry.example/owner", false); err != nil {
			t.Fatal(err)
		}
	}
	sums := string(read(t, filepath.Join(first, "sha256sums.txt")))
	for _, file := range []string{"images.txt", "redis_exporter-1.2.3.oci.tar", "dmarc_exporter-1.2.3.oci.tar"} {
		if strings.Count(sums, "  "+file+"\n") != 1 {
			t.Errorf("the sums have not one of %s:\n%s", file, sums)
		}
		if !bytes.Equal(read(t, filepath.Join(first, file)), read(t, filepath.Join(second, file))) {
			t.Errorf("%s differs between two builds", file)
		}
	}
}

// TestPush sends the images to a registry, reads one back and looks into it.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/owner"
	dir := newRelease(t)
	if err := run(dir, repository, true); err != nil {
		t.Fatal(err)
	}
	if len(read(t, filepath.Join(dir, "redis_exporter-1.2.3.oci.tar"))) == 0 {
		t.Error("an archive of an image that was pushed is empty")
	}
	_, line, _ := strings.Cut(string(read(t, filepath.Join(dir, "images.txt"))), repository+"/redis_exporter@")
	digest, _, _ := strings.Cut(line, "\n")
	tag, err := name.NewTag(repository + "/redis_exporter:v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := index.Digest(); err != nil || got.String() != digest {
		t.Errorf("the registry holds %s, %v; images.txt says %q", got, err, digest)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if got, want := strings.Join(platforms, " "), "linux/amd64 linux/arm64"; got != want {
		t.Errorf("platforms %q, want %q", got, want)
	}
	image, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, image)
}

// TestDockerLoads reads an archive as docker load does without containerd's store.
func TestDockerLoads(t *testing.T) {
	dir := newRelease(t)
	if err := run(dir, "registry.example/owner", false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "redis_exporter-1.2.3.oci.tar")
	load := func(path, tag string) (v1.Image, error) {
		named, err := name.NewTag(tag)
		if err != nil {
			t.Fatal(err)
		}
		return tarball.ImageFromPath(path, &named)
	}
	if _, err := load(path, "registry.example/owner/redis_exporter:v1.2.3"); err == nil {
		t.Error("one of two platforms has the tag without its name")
	}
	image, err := load(path, "registry.example/owner/redis_exporter:v1.2.3-arm64")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}
	checkImage(t, image)

	// Where there is one platform alone, its tag is the plain one.
	other, err := filepath.Glob(filepath.Join(dir, "*amd64*"))
	if err != nil || len(other) == 0 {
		t.Fatalf("archives of amd64: %q, %v", other, err)
	}
	for _, f := range other {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir, "registry.example/owner", false); err != nil {
		t.Fatal(err)
	}
	if _, err := load(path, "registry.example/owner/redis_exporter:v1.2.3"); err != nil {
		t.Error(err)
	}
}

// checkImage wants the binary as the entry point of a user that is not root, and
// certificates that verify.
func checkImage(t *testing.T, image v1.Image) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if health := config.Config.Healthcheck; health == nil || health.Test[1] != "/exporter" {
		t.Errorf("health check %+v", health)
	}
	if config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/exporter" || config.Architecture != "arm64" || !config.Created.Equal(archivetest.Stamp) {
		t.Errorf("configuration %+v", config)
	}
	files := map[string]string{}
	for r := tar.NewReader(mutate.Extract(image)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(data)
	}
	if files["exporter"] != "a static binary" {
		t.Errorf("the exporter is %q", files["exporter"])
	}
	if files["licenses/LICENSE"] != "text" || files["licenses/THIRD_PARTY_LICENSES"] != "its licenses" {
		t.Errorf("licenses %q and %q", files["licenses/LICENSE"], files["licenses/THIRD_PARTY_LICENSES"])
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files["etc/ssl/certs/ca-certificates.crt"])) || strings.Count(files["etc/ssl/certs/ca-certificates.crt"], "BEGIN") < 50 {
		t.Errorf("the image has no certificates")
	}
}

// TestStateBelongsToTheUser holds the directory of the state: Docker gives a new
// volume the owner that it has in the image.
func TestStateBelongsToTheUser(t *testing.T) {
	archives, err := archive.Find(newRelease(t))
	if err != nil {
		t.Fatal(err)
	}
	base, err := newLayer(baseFiles(), archives[0].Time)
	if err != nil {
		t.Fatal(err)
	}
	image, err := newImage(base, archives[0], "dmarc_exporter")
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(mutate.Extract(image)); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("no directory for the state: %v", err)
		}
		if strings.HasPrefix(h.Name, "var/lib/dmarc_exporter") {
			if h.Uid != nonroot || h.Gid != nonroot || h.Typeflag != tar.TypeDir {
				t.Errorf("the state's directory is %+v", h)
			}
			return
		}
	}
}

func TestNoRelease(t *testing.T) {
	if err := run(t.TempDir(), "registry.example/owner", false); err == nil || !strings.Contains(err.Error(), "make release") {
		t.Errorf("error %v, want one that says what to run", err)
	}
}

// TestNoLicenses refuses archives that may not be passed on.
func TestNoLicenses(t *testing.T) {
	dir := archivetest.Write(t, map[string]string{"redis_exporter": "a static binary", "LICENSE": "text"})
	if err := run(dir, "registry.example/owner", false); err == nil || !strings.Contains(err.Error(), "licenses of what redis_exporter links") {
		t.Errorf("error %v, want one about licenses", err)
	}
}
