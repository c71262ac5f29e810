package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// bom is a software bill of materials in the form of CycloneDX 1.6.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     bomMetadata  `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type bomMetadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Licenses   []license  `json:"licenses,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

// license is an identifier of SPDX.
type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// writeSBOM writes what the linker recorded in a binary: the modules that are
// really in it, and the version of Go; with the licenses of the packages that were
// linked, and which module imports which. Equal binaries give equal files.
func writeSBOM(path, name, version, binary string, packages []linkedPackage, stamp time.Time) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	b := newBOM(info, name, version, sha256.Sum256(data), stamp)
	refs := map[string]string{standardLibrary: b.Components[0].Ref}
	for i, m := range info.Deps {
		refs[m.Path+" "+m.Version] = b.Components[1+i].Ref
	}
	for _, p := range packages {
		if p.Module != nil && p.Module.Main {
			refs[p.module()] = b.Metadata.Component.Ref
		}
	}
	b.Dependencies = graph(packages, refs)
	if err := b.addLicenses(packages, refs); err != nil {
		return err
	}
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}

func newBOM(info *debug.BuildInfo, name, version string, sum [sha256.Size]byte, stamp time.Time) bom {
	purl := fmt.Sprintf("pkg:golang/%s@v%s#%s", info.Main.Path, version, name)
	main := component{
		Ref: purl, Type: "application", Name: name, Version: version, PURL: purl,
		Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sum)}},
	}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "-tags" {
			main.Properties = append(main.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	id := sum // A version 8 UUID (RFC 9562, section 5.8) of the content: equal binaries have equal numbers.
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16]),
		Metadata:     bomMetadata{stamp.UTC().Format(time.RFC3339), main},
		Components:   []component{library("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "")},
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, library(m.Path, m.Version, m.Sum))
	}
	return b
}

// library is a module. Its sum is go.sum's, which no algorithm of CycloneDX names.
func library(path, version, sum string) component {
	purl := fmt.Sprintf("pkg:golang/%s@%s", path, version)
	c := component{Ref: purl, Type: "library", Name: path, Version: version, PURL: purl}
	if sum != "" {
		c.Properties = []property{{"go:sum", sum}}
	}
	return c
}

// graph returns which component imports which, by their references.
func graph(packages []linkedPackage, refs map[string]string) []dependency {
	owners := map[string]string{} // of an imported path
	for _, p := range packages {
		owners[p.ImportPath] = refs[p.module()]
	}
	edges := map[string]map[string]bool{}
	for _, ref := range refs {
		edges[ref] = map[string]bool{}
	}
	for _, p := range packages {
		from := refs[p.module()]
		for _, imported := range p.Imports {
			if to := owners[imported]; to != "" && from != "" && to != from {
				edges[from][to] = true
			}
		}
	}
	var all []dependency
	for _, ref := range slices.Sorted(maps.Keys(edges)) {
		all = append(all, dependency{ref, slices.Sorted(maps.Keys(edges[ref]))})
	}
	return all
}

// addLicenses gives each component the identifiers of its licenses.
func (b *bom) addLicenses(packages []linkedPackage, refs map[string]string) error {
	texts, err := licenseTexts(packages)
	if err != nil {
		return err
	}
	for _, p := range packages {
		if p.Module != nil && p.Module.Main && texts[p.module()] == nil {
			if texts[p.module()], err = licensesIn(p.Module.Dir, []string{p.Module.Dir}); err != nil {
				return err
			}
		}
	}
	licenses := map[string][]license{}
	for module, ref := range refs {
		for _, id := range identifiers(slices.Collect(maps.Values(texts[module]))) {
			var l license
			l.License.ID = id
			licenses[ref] = append(licenses[ref], l)
		}
	}
	b.Metadata.Component.Licenses = licenses[b.Metadata.Component.Ref]
	for i := range b.Components {
		b.Components[i].Licenses = licenses[b.Components[i].Ref]
	}
	return nil
}
