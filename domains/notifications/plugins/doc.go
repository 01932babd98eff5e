// Package plugins holds the features of the notifications domain, one file each.
package plugins
