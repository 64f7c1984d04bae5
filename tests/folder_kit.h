/*
 * folder_kit.h - a fresh folder with files, and the end of it
 */
#ifndef FOLDER_KIT_H
#define FOLDER_KIT_H

#include <stddef.h>

#define FOLDER_SIZE 64

/* Makes a folder; its path is written to folder, FOLDER_SIZE bytes. */
void folder_make(char *folder);

/* Writes a file in it; folders on the way are made. */
void folder_write(const char *folder, const char *name, const void *bytes, size_t len);

/* Reads a text file of less than size bytes, wherever it is. */
void folder_read(const char *path, char *out, size_t size);

/* Removes it with all that is in it. */
void folder_remove(const char *folder);

#endif
