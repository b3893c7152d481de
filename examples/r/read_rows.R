# Reads what `chancery search -o csv` wrote with R alone, no package: Rscript read_rows.R rows.csv [ROWS]
#
# Every column gets the type of docs/flat-schema.md: codes stay text, dates are dates, numbers are numbers. ROWS is how many rows
# there must be, as `chancery count` says.

kinds <- list(
  numeric = c("revision", "position", "latitude", "longitude", "goldstein", "intensity", "tone"),
  Date = c("occurred_from", "occurred_until", "reported_from", "reported_until")
)

read_rows <- function(path) {
  header <- names(read.csv(path, nrows = 1, check.names = FALSE))
  types <- setNames(rep("character", length(header)), header)
  for (kind in names(kinds)) types[header %in% kinds[[kind]]] <- kind
  # Only what is empty is absent: a title may be the word NA.
  rows <- read.csv(path, colClasses = types, na.strings = "", encoding = "UTF-8", check.names = FALSE)
  # R's times have microseconds at best, those of the archive nanoseconds: `position` has the order.
  if ("recorded" %in% header) rows$recorded <- as.POSIXct(rows$recorded, format = "%Y-%m-%dT%H:%M:%OSZ", tz = "UTC")
  rows
}

arguments <- commandArgs(trailingOnly = TRUE)
if (!length(arguments) %in% 1:2) stop("give the file that -o csv wrote, and how many rows it must have")
rows <- read_rows(arguments[1])

# Whether each column has the type that the document gives it.
for (name in names(rows)) {
  expected <- names(kinds)[vapply(kinds, function(names) name %in% names, logical(1))]
  if (name == "recorded") expected <- "POSIXct"
  if (length(expected) == 0) expected <- "character"
  if (!inherits(rows[[name]], expected)) stop(sprintf("%s is %s, not %s", name, class(rows[[name]])[1], expected))
  if (expected == "character" && any(rows[[name]] == "", na.rm = TRUE)) stop(sprintf("%s has an empty text; what is absent must be NA", name))
}
for (name in c("revision", "position", "recorded")) if (anyNA(rows[[name]])) stop(sprintf("%s is absent in some rows", name))
if (length(arguments) == 2 && nrow(rows) != as.numeric(arguments[2])) {
  stop(sprintf("there are %d rows and not %s", nrow(rows), arguments[2]))
}

cat(sprintf("R, csv           %d rows\n", nrow(rows)))
codes <- head(sort(unique(rows$type[grepl("^0", rows$type)]), method = "radix"), 4)
cat(sprintf("codes are text   %s\n", paste(codes, collapse = " ")))
days <- rows$occurred_from
cat(sprintf("dates are dates  %s to %s, %d absent\n", min(days, na.rm = TRUE), max(days, na.rm = TRUE), sum(is.na(days))))
cat(sprintf("numbers          positions %g to %g, %d latitudes\n", min(rows$position), max(rows$position), sum(!is.na(rows$latitude))))
decades <- table(10 * (as.integer(format(days[rows$kind == "event"], "%Y")) %/% 10))
print(rev(tail(decades, 4)))
