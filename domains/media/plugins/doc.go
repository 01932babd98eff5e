// Package plugins holds the features of the media domain, one file each.
package plugins
