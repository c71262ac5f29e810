package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nonroot is the user that the images of distroless call so, and its group.
const nonroot = 65532

// newIndex returns an image for each archive, under one index.
func newIndex(archives []archive.Archive, binary string) (v1.ImageIndex, error) {
	base, err := newLayer(baseFiles(), archives[0].Time)
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, a := range archives {
		image, err := newImage(base, a, binary)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: a.Arch}},
		})
	}
	return index, nil
}

// newImage returns the image of one platform: the base and the binary.
func newImage(base v1.Layer, a archive.Archive, binary string) (v1.Image, error) {
	licenses, err := a.Licenses(binary)
	if err != nil {
		return nil, err
	}
	files := []file{
		{"exporter", 0o755, 0, a.Files[binary]},
		{"licenses/LICENSE", 0o644, 0, a.Files["LICENSE"]},
		{"licenses/THIRD_PARTY_LICENSES", 0o644, 0, licenses},
	}
	if binary == "dmarc_exporter" {
		// A new volume of Docker's takes its owner from the image.
		files = append(files, file{"var/lib/dmarc_exporter/", 0o750, nonroot, nil})
	}
	program, err := newLayer(files, a.Time)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: a.Time}
	history := func(what string) v1.History { return v1.History{Created: created, CreatedBy: what} }
	if image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, History: history("certificates and user")},
		mutate.Addendum{Layer: program, History: history(binary)}); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", a.Arch, created
	config.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", nonroot, nonroot), Entrypoint: []string{"/exporter"}, WorkingDir: "/",
		Env: []string{"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", "/exporter", "--web.health-check"}, Interval: 15 * time.Second, Timeout: 6 * time.Second,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    binary,
			"org.opencontainers.image.version":  a.Version,
			"org.opencontainers.image.created":  a.Time.UTC().Format(time.RFC3339),
			"org.opencontainers.image.source":   "https://github.com/dmarc-suite/dmarc-suite",
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// file is one file of a layer; without data it is a directory.
type file struct {
	name  string
	mode  int64
	owner int
	data  []byte
}

// baseFiles are what a static binary needs of a system: the certificates of
// Mozilla at the version that go.sum pins, a user, and a place for temporary files.
func baseFiles() []file {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		// A buffer takes everything.
		_ = pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	return []file{
		{"etc/passwd", 0o644, 0, []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{"etc/group", 0o644, 0, []byte("root:x:0:\nnonroot:x:65532:\n")},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, roots.Bytes()},
		{"tmp/", 0o1777, 0, nil},
	}
}

// newLayer returns a layer of files, in the given order.
func newLayer(files []file, stamp time.Time) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.data)), ModTime: stamp, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
