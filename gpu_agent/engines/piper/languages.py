"""What Piper calls a language, for espeak-ng's name of it.

Home Assistant hides voices whose config has no complete `language`. Native names,
families and regions as in the voices.json of rhasspy/piper-voices.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gpu_agent.engines.phonemizer import espeak_voices


@dataclass(frozen=True)
class Language:
    code: str
    """Such as `en_US`, the first part of a voice's file name."""
    family: str
    region: str
    name_native: str
    name_english: str
    country_english: str

    def as_config(self) -> dict[str, str]:
        return asdict(self)


# espeak-ng voice: region, native name, English name, country.
_TABLE: dict[str, tuple[str, str, str, str]] = {
    "ar": ("JO", "العربية", "Arabic", "Jordan"),
    "bg": ("BG", "български", "Bulgarian", "Bulgaria"),
    "ca": ("ES", "Català", "Catalan", "Spain"),
    "cmn": ("CN", "简体中文", "Chinese", "China"),
    "cs": ("CZ", "Čeština", "Czech", "Czech Republic"),
    "cy": ("GB", "Cymraeg", "Welsh", "Great Britain"),
    "da": ("DK", "Dansk", "Danish", "Denmark"),
    "de": ("DE", "Deutsch", "German", "Germany"),
    "el": ("GR", "Ελληνικά", "Greek", "Greece"),
    "en": ("GB", "English", "English", "Great Britain"),
    "en-gb-scotland": ("GB", "English", "English", "Great Britain"),
    "en-gb-x-gbclan": ("GB", "English", "English", "Great Britain"),
    "en-gb-x-gbcwmd": ("GB", "English", "English", "Great Britain"),
    "en-gb-x-rp": ("GB", "English", "English", "Great Britain"),
    "en-us": ("US", "English", "English", "United States"),
    "en-us-nyc": ("US", "English", "English", "United States"),
    "es": ("ES", "Español", "Spanish", "Spain"),
    "es-419": ("MX", "Español", "Spanish", "Mexico"),
    "et": ("EE", "Eesti", "Estonian", "Estonia"),
    "eu": ("ES", "Euskara", "Basque", "Spain"),
    "fa": ("IR", "فارسی", "Farsi", "Iran"),
    "fi": ("FI", "Suomi", "Finnish", "Finland"),
    "fr": ("FR", "Français", "French", "France"),
    "fr-be": ("BE", "Français", "French", "Belgium"),
    "fr-ch": ("CH", "Français", "French", "Switzerland"),
    "ga": ("IE", "Gaeilge", "Irish", "Ireland"),
    "he": ("IL", "עברית", "Hebrew", "Israel"),
    "hi": ("IN", "हिन्दी", "Hindi", "India"),
    "hr": ("HR", "Hrvatski", "Croatian", "Croatia"),
    "hu": ("HU", "Magyar", "Hungarian", "Hungary"),
    "hy": ("AM", "Հայերեն", "Armenian", "Armenia"),
    "id": ("ID", "Bahasa Indonesia", "Indonesian", "Indonesia"),
    "is": ("IS", "íslenska", "Icelandic", "Iceland"),
    "it": ("IT", "Italiano", "Italian", "Italy"),
    "ja": ("JP", "日本語", "Japanese", "Japan"),
    "ka": ("GE", "ქართული ენა", "Georgian", "Georgia"),
    "kk": ("KZ", "қазақша", "Kazakh", "Kazakhstan"),
    "ko": ("KR", "한국어", "Korean", "South Korea"),
    "lb": ("LU", "Lëtzebuergesch", "Luxembourgish", "Luxembourg"),
    "lt": ("LT", "Lietuvių", "Lithuanian", "Lithuania"),
    "lv": ("LV", "Latviešu", "Latvian", "Latvia"),
    "mk": ("MK", "македонски", "Macedonian", "North Macedonia"),
    "ml": ("IN", "മലയാളം", "Malayalam", "India"),
    "nb": ("NO", "Norsk", "Norwegian", "Norway"),
    "ne": ("NP", "नेपाली", "Nepali", "Nepal"),
    "nl": ("NL", "Nederlands", "Dutch", "Netherlands"),
    "pl": ("PL", "Polski", "Polish", "Poland"),
    "pt": ("PT", "Português", "Portuguese", "Portugal"),
    "pt-br": ("BR", "Português", "Portuguese", "Brazil"),
    "ro": ("RO", "Română", "Romanian", "Romania"),
    "ru": ("RU", "Русский", "Russian", "Russia"),
    "sk": ("SK", "Slovenčina", "Slovak", "Slovakia"),
    "sl": ("SI", "Slovenščina", "Slovenian", "Slovenia"),
    "sq": ("AL", "Shqip", "Albanian", "Albania"),
    "sr": ("RS", "srpski", "Serbian", "Serbia"),
    "sv": ("SE", "Svenska", "Swedish", "Sweden"),
    "sw": ("CD", "Kiswahili", "Swahili", "Democratic Republic of the Congo"),
    "ta": ("IN", "தமிழ்", "Tamil", "India"),
    "te": ("IN", "తెలుగు", "Telugu", "India"),
    "th": ("TH", "ไทย", "Thai", "Thailand"),
    "tr": ("TR", "Türkçe", "Turkish", "Turkey"),
    "uk": ("UA", "українська мова", "Ukrainian", "Ukraine"),
    "ur": ("PK", "اردو", "Urdu", "Pakistan"),
    "vi": ("VN", "Tiếng Việt", "Vietnamese", "Vietnam"),
    "vi-vn-x-central": ("VN", "Tiếng Việt", "Vietnamese", "Vietnam"),
    "vi-vn-x-south": ("VN", "Tiếng Việt", "Vietnamese", "Vietnam"),
    "yue": ("HK", "粵語", "Cantonese", "Hong Kong"),
}
_FAMILIES = {"nb": "no", "cmn": "zh"}  # Piper's names for these families


def language(espeak_voice: str) -> Language:
    """For a language that Piper has no published voice in, the names are espeak-ng's
    and the code is its code (`eo`), without a region."""
    first = espeak_voice.split("-")[0]
    family = _FAMILIES.get(first, first)
    if espeak_voice in _TABLE:
        region, native, english, country = _TABLE[espeak_voice]
        return Language(f"{family}_{region}", family, region, native, english, country)
    names = {voice.language: voice.name for voice in espeak_voices()}
    english = names.get(espeak_voice, espeak_voice).split(" (")[0]
    return Language(family, family, "", english, english, "")
