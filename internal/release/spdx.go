package main

import (
	"maps"
	"slices"
	"strings"
)

// marks are what only the text of a license, or its notice, has, by identifiers of
// SPDX: all of them, in lower case and with one space between words.
var marks = []struct {
	id    string
	parts []string
}{
	{"Apache-2.0", []string{"apache license version 2.0, january 2004"}},
	{"Apache-2.0", []string{`licensed under the apache license, version 2.0 (the "license")`}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms", "redistributions in binary form must reproduce"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "redistributions in binary form must reproduce", "neither the name"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy", "the above copyright notice and this permission notice"}},
	{"MPL-2.0", []string{"mozilla public license version 2.0", "covered software"}},
	{"Unlicense", []string{"this is free and unencumbered software released into the public domain"}},
}

// identifiers returns the licenses that texts are, each once, in order.
func identifiers(texts []string) []string {
	found := map[string]bool{}
	for _, text := range texts {
		plain := strings.Join(strings.Fields(strings.ToLower(text)), " ")
		for _, m := range marks {
			missing := slices.ContainsFunc(m.parts, func(part string) bool { return !strings.Contains(plain, part) })
			// Three clauses are two and one.
			if !missing && (m.id != "BSD-2-Clause" || !strings.Contains(plain, "neither the name")) {
				found[m.id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
