"""Signs that a text names a person: capital letters, titles, honorifics and common surnames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NAME_SIGNS: Final = 9

_CAPITALISED: Final = r"[A-ZÀ-ÖØ-ÞĄĆĘŁŃÓŚŹŻĞİŞĐƠƯА-ЯЁ][\w'’-]+"
_BEFORE: Final = (
    "like|as|into|of|with|and|à|en|comme|par|avec|de|a|como|por|con|wie|als|in|mit|von|gegen|ist|und|"
    "di|come|per|da|e|com|do|met|van|naar|op|jak|na|z|w|и|с|в|на|как|у|под|gibi|ile|ve|với|thành|như|của"
)
_TITLES: Final = (
    "mr|mrs|ms|miss|sir|lady|president|senator|actor|actress|singer|monsieur|madame|mme|président|acteur|"
    "actrice|"
    r"chanteu\w+|señora?|presidente|actriz|cantante|herr|frau|präsident|schauspieler\w*|sänger\w*|signora?|"
    r"attrice|attore|"
    r"senhora?|ator|atriz|cantora?|meneer|mevrouw|zangeres|zanger|pan|pani|aktor\w*|piosenkar\w*|господин|"
    r"госпожа|актёр\w*|"
    r"актер\w*|актрис\w*|певец|певиц\w*|президент\w*|bay|bayan|oyuncu|şarkıcı|ông|bà|ca sĩ|diễn viên"
)
_HAN: Final = "\u4e00-\u9fff"
_CHINESE_SURNAMES: Final = (
    "王李张張刘劉陈陳杨楊赵趙吴吳周徐孙孫朱胡郭何林罗羅郑鄭梁谢謝宋唐"
    "许許邓鄧冯馮韩韓曹曾彭萧蕭蔡潘田董袁余蒋蔣杜魏程吕呂丁沈姚卢盧姜崔钟鐘谭譚陆陸汪范石廖贾賈韦邹鄒熊孟"
    "秦阎薛侯雷龙龍段郝孔邵史毛常万顾顧赖賴武康贺賀严嚴尹钱錢"
)
_JAPANESE_SURNAMES: Final = (
    "佐藤|鈴木|高橋|田中|伊藤|渡辺|渡邊|山本|中村|小林|加藤|吉田|山田|佐々木|山口|松本|井上|木村|斎藤|斉藤|清水|山崎|阿部|森田|"
    "池田|橋本|山下|石川|中島|前田|藤田|後藤|小川|岡田|村上|長谷川|近藤|石井|坂本|遠藤|青木|藤井|西村|福田|太田|三浦|藤原|岡本|"
    "松田|中川|中野|原田|小野|田村|竹内|金子|和田|中山|石田|上田|森本|宮崎|酒井|工藤|横山|宮本|内田|高木|安藤|谷口|大野|丸山|今井"
)
_SIGNS: Final = (
    re.compile(rf"{_CAPITALISED} (?:(?:de|von|van|der|la|le|bin|di|da|dos) )?{_CAPITALISED}"),
    re.compile(rf"\b(?:{_BEFORE}) {_CAPITALISED}"),
    re.compile(rf"\b(?i:{_TITLES})\.? {_CAPITALISED}"),
    re.compile(rf"\b{_CAPITALISED}['’]s\b"),
    re.compile(
        rf"[{_HAN}]{{2,4}}(?:先生|女士|小姐|太太|老师)|(?:歌手|演员|明星|总统|主席|导演|球星|模特)[{_HAN}]{{2,4}}"
        rf"|[{_HAN}\u30a0-\u30ff]{{2,8}}(?:さん|氏|様|ちゃん|くん|君|選手|監督)"
        r"|[가-힣]{2,4} ?(?:씨|님)(?:[을를이가은는의와과]|처럼|$| )"
        r"|(?:가수|배우|대통령|선수|감독) [가-힣]{2,4}"
        r"|(?:คุณ|นาย|นางสาว|นาง|นักร้อง|ดารา|นักแสดง)[\u0e00-\u0e7f]{3,}"
        r"|(?:السيد|السيدة|الممثل|الممثلة|المغني|المغنية|الرئيس|الفنان|الفنانة) \w+"
        r"|(?:श्री|श्रीमती|अभिनेता|अभिनेत्री|गायक|गायिका|नेता) \S+|\S+ जी(?: |$)"
    ),
    re.compile(
        rf"(?:像|成|叫|和|跟|与|给|把|是|由|^|[，,。 ])[{_CHINESE_SURNAMES}][{_HAN}]{{1,2}}"
        r"(?:的|一样|在|和|从|穿|站|$|[，,。 ])"
    ),
    re.compile(_JAPANESE_SURNAMES),
    re.compile(
        r"(?:^| )(?:김|이|박|최|정|강|조|윤|장|임|한|오|서|신|권|황|안|송|전|홍|유|고|문|양|손|배|백|허|남"
        r"|심)[가-힣]{1,2}"
        r"(?:처럼|의|와|과|씨|로|이랑|랑|으로|을|를|이|가|은|는)(?: |$)"
    ),
    re.compile(
        rf"[\u30a1-\u30fa\u30fc]{{2,}}[・＝][\u30a1-\u30fa\u30fc]{{2,}}|[{_HAN}]{{2,}}[·•・][{_HAN}]{{2,}}"
    ),
)


def name_signs(texts: Sequence[str]) -> NDArray[np.float32]:
    """Signs of a name.

    Returns:
        float32 (len(texts), 9) of 0 and 1: two capitalised words in a row; one after a preposition or "like";
        one after a title or profession; an English possessive; an honorific or profession beside a word,
        in scripts without capitals; a Chinese surname where a name may stand; a Japanese surname; a Korean
        one in a word of a name's length; a foreign name written with its dot.
    """
    signs = [[float(sign.search(text) is not None) for sign in _SIGNS] for text in texts]
    return np.asarray(signs, dtype=np.float32).reshape(len(texts), NAME_SIGNS)
