// Package plugins holds the features of the audit domain, one file each.
package plugins
