// Package web is pages for people over a store: what is in the reports that are
// kept, how the sources are doing, and what was refused.
//
// Pages are rendered here and need no script. What they show comes from
// untrusted mail: html/template escapes it, and a policy of the browser runs
// nothing. Every table is also there as CSV and as JSON.
package web
