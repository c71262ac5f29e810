// Package pool lets a collector ask over a pool of connections that a program has
// already. It is apart from collectors/postgres so that only those who use it link
// pgxpool.
package pool
