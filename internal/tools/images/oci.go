package main

import (
	"archive/tar"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeOCI writes an OCI archive, which docker load, podman load and skopeo
// read: a layout whose one entry is the index, in a tar of fixed headers. Beside
// it is what engines read that keep images in a store of their own.
func writeOCI(path, reference string, index v1.ImageIndex, stamp time.Time) error {
	tmp, err := os.MkdirTemp("", "images")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	l, err := layout.Write(tmp, empty.Index)
	if err != nil {
		return err
	}
	names := map[string]string{"org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference}
	if err := l.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return err
	}
	manifest, err := dockerManifest(reference, index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "manifest.json"), manifest, 0o644); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := writeTar(f, tmp, stamp); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// dockerImage is an entry of the manifest.json that docker save writes.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerManifest names the images of an index for docker load without containerd's
// store of images, as engines before Docker 29 are set up. It knows no platforms
// and would give the last one the tag: where there are several, each has its own.
func dockerManifest(reference string, index v1.ImageIndex) ([]byte, error) {
	all, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	var images []dockerImage
	for _, d := range all.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			return nil, err
		}
		manifest, err := image.Manifest()
		if err != nil {
			return nil, err
		}
		tag := reference
		if len(all.Manifests) > 1 {
			tag += "-" + d.Platform.Architecture + d.Platform.Variant
		}
		i := dockerImage{Config: blob(manifest.Config.Digest), RepoTags: []string{tag}}
		for _, layer := range manifest.Layers {
			i.Layers = append(i.Layers, blob(layer.Digest))
		}
		images = append(images, i)
	}
	return json.Marshal(images)
}

// writeTar writes the files of a directory, in the order of their names.
func writeTar(f *os.File, dir string, stamp time.Time) error {
	w := tar.NewWriter(f)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: stamp, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return w.Close()
}
